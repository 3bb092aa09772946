import t from 'tap';
import { followFullLoops, followReferences } from './harness';

followReferences(t, 'plms');
followFullLoops(t, 'plms');
