import { beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../lib/core/errors.js';
import { Admission } from '../../../lib/core/handshake/admission.js';
import { AttemptTimer } from '../../../lib/core/handshake/attempt-timer.js';
import { ConnectRate } from '../../../lib/core/handshake/connect-rate.js';
import { HandshakeAttempt } from '../../../lib/core/handshake/handshake-attempt.js';
import { newId } from '../../../lib/core/identifiers.js';
import type {
  AdmissionBasis,
  AdmissionRequest,
  AdmissionResult,
} from '../../../lib/core/session/connection-registry.js';
import {
  coreHarness,
  latch,
  principalOf,
  refusalOf,
  settle,
  withAdmissions,
  type CoreHarness,
} from '../../support/core-harness.js';

describe('Admission', () => {
  let core: CoreHarness;
  let admission: Admission;
  let attempt: HandshakeAttempt;
  let requests: AdmissionRequest[];
  /** What happens to requests at the store. */
  let onAdmit: (admit: () => Promise<AdmissionResult>) => Promise<AdmissionResult>;
  let basis: AdmissionBasis;
  beforeEach(() => {
    requests = [];
    onAdmit = (admit) => admit();
    core = coreHarness({
      wrapStores: (stores) =>
        withAdmissions(stores, (request, admit) => {
          requests.push(request);
          return onAdmit(admit);
        }),
    });
    const { options, stores, connections, monotonic, wheel, clock } = core;
    admission = new Admission({
      options,
      registry: stores.connections,
      connections,
      connectRate: new ConnectRate({ options, store: stores.throttle, monotonic, onAway: () => {} }),
      timer: new AttemptTimer(wheel, options.handshake.verifyTimeoutMs),
      clock,
    });
    attempt = new HandshakeAttempt();
    const userHash = core.hashOf('u1');
    basis = { mode: 'principal', principal: principalOf('u1'), userHash, issuedAt: clock() };
  });

  const count = (): Promise<number> => core.stores.connections.countOf(core.hashOf('u1'));

  it('asks for a place within the limits, and for no longer than anybody waits', async () => {
    const id = newId();
    expect(await admission.admit(attempt, basis, id)).toMatchObject({
      outcome: 'admitted',
      connectionId: id,
    });
    const { connections, handshake } = core.options;
    expect(requests).toMatchObject([
      {
        connectionId: id,
        maxPerUser: connections.maxPerUser,
        maxPerSession: connections.maxPerSession,
        deadline: core.clock() + handshake.verifyTimeoutMs,
      },
    ]);
    expect(await count()).toBe(1);
  });

  it('asks nothing for a client that has gone', async () => {
    attempt.abort('client_gone');
    expect(await refusalOf(admission.admit(attempt, basis, newId()))).toMatchObject({
      reason: 'client_gone',
    });
    expect(requests).toEqual([]);
  });

  it('gives back the place of a client that went while the store decided (HS-04)', async () => {
    const { opened, open } = latch();
    onAdmit = async (admit) => {
      const result = await admit();
      await opened;
      return result;
    };
    const work = admission.admit(attempt, basis, newId());
    await settle();
    expect(await count()).toBe(1);
    attempt.abort('client_gone');
    expect(await refusalOf(work)).toMatchObject({ reason: 'client_gone' });
    open();
    await settle();
    expect(await count()).toBe(0);
    expect(core.wheel.size).toBe(0);
  });

  it('refuses what the store refuses, and passes on that it is away', async () => {
    onAdmit = async () => ({ outcome: 'limit', of: 'session' });
    expect(await refusalOf(admission.admit(attempt, basis, newId()))).toMatchObject({
      reason: 'limit_of_session',
    });
    const away = new StoreUnavailable('away');
    onAdmit = () => Promise.reject(away);
    await expect(admission.admit(attempt, basis, newId())).rejects.toBe(away);
  });
});
