import { test } from 'tap';
import { networkTransportSuite } from '../../lib/testing/index.js';
import { SystemClock, systemRandom } from '../../lib/timing/index.js';
import { memoryNetwork } from '../../transports/memory/index.js';

networkTransportSuite({
  name: 'memory',
  test,
  createNetwork: () => {
    const network = memoryNetwork();
    return {
      transport: (name) => network.transport(name),
      listen: null,
      clock: new SystemClock(),
      random: systemRandom,
    };
  },
});
