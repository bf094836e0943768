// os: where this runs.
'use strict';

const facts = JSON.parse($host.facts());

module.exports = {
  EOL: '\n',
  hostname: () => facts.host,
  platform: () => 'linux',
  type: () => 'Linux',
  arch: () => facts.arch,
  release: () => facts.release,
  tmpdir: () => process.env.TMPDIR || '/tmp',
  homedir: () => process.env.HOME || '/',
  cpus: () => Array.from({ length: facts.cores }, () => ({ model: '', speed: 0, times: {} })),
  availableParallelism: () => facts.cores,
  uptime: () => process.uptime(),
  userInfo: () => ({ username: process.env.USER || '' }),
};
