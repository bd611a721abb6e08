// Runs the TimeNode of timenode-core as its own command line does: it scans, routes and executes.
// Usage: node run.js ENDPOINT REQUEST-FACTORY PRIVATE-KEY PACKAGES
const { createRequire } = require('module');

const [endpoint, requestFactory, key, packages] = process.argv.slice(2);
const installed = createRequire(`${packages}/package.json`);

// It knows its contracts by the network's id; those of the test network, 1002, are ours.
const addresses = installed('@ethereum-alarm-clock/lib/config/contracts/1002.json');
addresses.requestFactory = requestFactory;

const loki = installed('lokijs');
const { Config, StatsDB, TimeNode } = installed('@ethereum-alarm-clock/timenode-core');

const config = new Config({
  providerUrls: [endpoint],
  walletStores: [key],
  walletStoresAsPrivateKeys: true,
  statsDb: new loki('stats.json', { persistenceMethod: 'memory' }),
});

config.statsDbLoaded
  .then(() => new TimeNode(config).startScanning())
  .then(() => console.log('scanning'))
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
process.on('unhandledRejection', (error) => console.error('unhandled:', error && error.message));
