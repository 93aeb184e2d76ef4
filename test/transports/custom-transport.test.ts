import { test } from 'tap';
import { Hub } from '../../examples/custom-transport/hub.js';
import { PortTransport } from '../../examples/custom-transport/port-transport.js';
import { networkTransportSuite } from '../../lib/testing/index.js';
import { SystemClock, systemRandom } from '../../lib/timing/index.js';

networkTransportSuite({
  name: 'message ports',
  test,
  createNetwork: () => {
    const hub = new Hub();
    return {
      transport: () => new PortTransport(hub.openPort()),
      listen: null,
      clock: new SystemClock(),
      random: systemRandom,
    };
  },
});
