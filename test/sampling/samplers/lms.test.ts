import t from 'tap';
import { followFullLoops, followReferences } from './harness';

followReferences(t, 'lms');
followFullLoops(t, 'lms');
