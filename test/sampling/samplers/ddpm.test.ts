import t from 'tap';
import { ddpm } from '../../../lib/sampling/samplers/ddpm';
import { followReferences, leadsToTheData } from './harness';

followReferences(t, 'ddpm');
leadsToTheData(t, ddpm, 400);
