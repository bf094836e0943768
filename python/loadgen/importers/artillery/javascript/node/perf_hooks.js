// perf_hooks: the clock alone.
'use strict';

module.exports = { performance };
