import { when, type DoctorCheck } from './doctor-check.js';

/** What gateways demand of whom. */
export const GATEWAY_CHECKS: readonly DoctorCheck[] = [
  {
    id: 'gateway-undeclared',
    severity: 'warning',
    title: 'A gateway of which nobody said who may connect',
    rows: ['HS-10', 'SE-10'],
    asvs: ['8.2.1'],
    fix: 'say which is meant',
    find: ({ gateways }) =>
      gateways
        .filter(({ access }) => access === undefined)
        .map(
          ({ name }) => `gateway ${name} has neither @WsAuth() nor @WsPublic(), so anybody may connect to it`,
        ),
  },
  {
    id: 'gateway-public',
    severity: 'notice',
    title: 'A public gateway',
    rows: ['HS-10', 'SE-10'],
    asvs: ['8.2.1'],
    fix: 'look whether all of its handlers are for everybody, or use @WsAuth()',
    find: ({ gateways }) =>
      gateways
        .filter(({ access }) => access === 'public')
        .map(({ name, path, handlers }) => {
          const count = `${handlers.length} handler${handlers.length === 1 ? '' : 's'}`;
          return `gateway ${name} on ${path} has @WsPublic(): anybody may call its ${count}`;
        }),
  },
  {
    id: 'gateway-uncovered',
    severity: 'warning',
    title: 'Nest does not do for a gateway what it does for controllers',
    rows: ['SE-10', 'CR-07'],
    asvs: ['8.2.1'],
    fix: 'do what the sentence says',
    find: ({ uncovered }) => uncovered,
  },
  {
    id: 'handler-without-rule',
    severity: 'notice',
    title: 'Handlers for everybody who is logged in',
    rows: ['SE-10'],
    asvs: ['8.2.1'],
    fix: 'add @WsRoles(), @WsScopes(), @WsPolicy() or @WsRecentAuth() to handler or gateway; @WsRoles() without a name says that it is meant',
    find: ({ gateways }) =>
      gateways
        .filter(({ access }) => access === 'authenticated')
        .flatMap(({ name, handlers }) => {
          const open = handlers.filter(({ hasRule }) => !hasRule).map(({ method }) => `${name}.${method}()`);
          return when(
            open.length > 0,
            `${open.join(', ')} ${open.length === 1 ? 'has' : 'have'} no rule, so whoever is authenticated may call ${open.length === 1 ? 'it' : 'them'}`,
          );
        }),
  },
  {
    id: 'handler-skips-throttle',
    severity: 'notice',
    title: 'Handlers without limits of their own',
    rows: ['TH-02'],
    asvs: ['2.4.1'],
    fix: 'take @SkipWsThrottle() off handlers that cost something',
    find: ({ gateways }) => {
      const free = gateways.flatMap(({ name, handlers }) =>
        handlers.filter(({ skipsThrottle }) => skipsThrottle).map(({ method }) => `${name}.${method}()`),
      );
      return when(free.length > 0, `${free.join(', ')} has @SkipWsThrottle(): only the budgets hold there`);
    },
  },
  {
    id: 'gateway-own-port',
    severity: 'notice',
    title: 'A gateway on a port of its own',
    rows: ['HS-15'],
    asvs: ['4.4.1', '12.2.1'],
    fix: 'put the gateway on the port of the application, or let a firewall keep everybody but the proxy off',
    find: ({ gateways }) =>
      gateways
        .filter(({ port }) => port > 0)
        .map(({ name, port }) => `gateway ${name} listens on port ${port} of every address, without TLS`),
  },
];
