// What a flow of WebSockets asks of a processor.
module.exports = {
  where(wsArgs, context, next) {
    wsArgs.target = `${wsArgs.target}/hooked?colour=${context.vars.colour}`;
    wsArgs.subprotocols = ["json"];
    wsArgs.options.headers = { "x-made": "yes" };
    next();
  },
  count(context, ee, next) {
    context.vars.counted = { times: (context.vars.counted?.times || 0) + 1 };
    ee.emit("counter", "hooks.called", 1);
    next();
  },
  async later(context) {
    context.vars.late = "sure";
  },
};
