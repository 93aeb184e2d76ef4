import { test } from 'tap';
import { networkTransportSuite } from '../../lib/testing/index.js';
import { SystemClock, systemRandom } from '../../lib/timing/index.js';
import { tcpTransport } from '../../transports/tcp/index.js';

networkTransportSuite({
  name: 'tcp',
  test,
  createNetwork: () => ({
    transport: () => tcpTransport(),
    listen: '127.0.0.1:0',
    clock: new SystemClock(),
    random: systemRandom,
  }),
});
