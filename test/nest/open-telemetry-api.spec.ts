import { describe, expect, it, vi } from 'vitest';
import { loadOpenTelemetry } from '../../lib/nest/telemetry/open-telemetry-api.js';

describe('loadOpenTelemetry', () => {
  it('loads the API where it is installed', async () => {
    const api = await loadOpenTelemetry(undefined);
    expect(Object.keys(api!)).toEqual(expect.arrayContaining(['context', 'metrics', 'propagation', 'trace']));
  });

  it('leaves it alone where it is not wanted', async () => {
    expect(await loadOpenTelemetry(false)).toBeUndefined();
  });

  describe('where it is not installed', () => {
    const without = async (wanted: boolean | undefined) => {
      vi.resetModules();
      vi.doMock('@opentelemetry/api', () => {
        throw new Error("Cannot find package '@opentelemetry/api'");
      });
      try {
        const fresh = await import('../../lib/nest/telemetry/open-telemetry-api.js');
        return await fresh.loadOpenTelemetry(wanted);
      } finally {
        vi.doUnmock('@opentelemetry/api');
        vi.resetModules();
      }
    };

    it('does without it', async () => {
      expect(await without(undefined)).toBeUndefined();
    });

    it('stops the boot with a sentence where it is demanded', async () => {
      await expect(without(true)).rejects.toThrow(
        /option "telemetry" needs the package @opentelemetry\/api: npm install @opentelemetry\/api/,
      );
    });
  });
});
