// This library with everything on, and one option besides: BENCH_OPTION.
import 'reflect-metadata';
import { createWriteStream } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import { context, metrics, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { WsAuth, WsAuthAdapter, WsAuthModule } from 'nestjs-ws-auth';
import { makeEchoGateway } from './echo-gateway.mjs';
import { guardedOptions } from './guarded-options.mjs';
import { serve } from './serve.mjs';

const OPTIONS = {
  none: () => ({}),
  asyncContext: () => ({ message: { asyncContext: true } }),
  compression: () => ({ message: { compression: true } }),
  /** As the guide has it, but for the port. */
  metrics: () => {
    const exporter = new PrometheusExporter({ preventServerStart: true });
    metrics.setGlobalMeterProvider(new MeterProvider({ readers: [exporter] }));
    return { telemetry: true };
  },
  /** Every span is recorded; what an exporter costs is not this library's. */
  traces: () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    trace.setGlobalTracerProvider(new BasicTracerProvider());
    return { telemetry: true };
  },
  /** Lines of JSON into a file that keeps nothing. */
  sink: () => {
    const file = createWriteStream('/dev/null');
    const write = (events) => void file.write(`${events.map((event) => JSON.stringify(event)).join('\n')}\n`);
    return { audit: { sinks: [{ name: 'file', write }] } };
  },
};

const chosen = OPTIONS[process.env.BENCH_OPTION ?? 'none']();
class OptionalModule {}
const app = await NestFactory.create({
  module: OptionalModule,
  imports: [WsAuthModule.forRoot({ ...guardedOptions(), ...chosen })],
  providers: [makeEchoGateway(WsAuth())],
});
app.useWebSocketAdapter(new WsAuthAdapter(app));
await app.listen(0, '127.0.0.1');
serve(app.getHttpServer().address().port);
