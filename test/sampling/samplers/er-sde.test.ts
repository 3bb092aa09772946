import t from 'tap';
import { erSde } from '../../../lib/sampling/samplers/er-sde';
import { followReferences, leadsToTheData } from './harness';

followReferences(t, 'er_sde');
leadsToTheData(t, erSde);
