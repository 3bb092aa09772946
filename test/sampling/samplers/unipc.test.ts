import t from 'tap';
import { followFullLoops, followReferences } from './harness';

followReferences(t, 'unipc');
followFullLoops(t, 'unipc');
