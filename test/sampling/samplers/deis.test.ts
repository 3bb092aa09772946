import t from 'tap';
import { followFullLoops, followReferences } from './harness';

followReferences(t, 'deis');
followFullLoops(t, 'deis');
