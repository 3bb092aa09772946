import t from 'tap';
import { followReferences } from './harness';

followReferences(t, 'res_multistep');
