import { AbstractHttpAdapter } from '@nestjs/core';

/**
 * An HTTP adapter that serves nothing: an application can be built on it whatever framework it uses, and without one being
 * installed. Nest asks it for nothing before the application is initialised, which it never is.
 */
export class IdleHttpAdapter extends AbstractHttpAdapter {
  getType(): string {
    return 'idle';
  }

  initHttpServer(): void {}
  close(): void {}
  useStaticAssets(): void {}
  setViewEngine(): void {}
  getRequestHostname(): void {}
  getRequestMethod(): void {}
  getRequestUrl(): void {}
  status(): void {}
  reply(): void {}
  end(): void {}
  render(): void {}
  redirect(): void {}
  setErrorHandler(): void {}
  setNotFoundHandler(): void {}
  isHeadersSent(): void {}
  getHeader(): void {}
  setHeader(): void {}
  appendHeader(): void {}
  registerParserMiddleware(): void {}
  enableCors(): void {}

  createMiddlewareFactory(): () => void {
    return () => {};
  }

  applyVersionFilter(): () => () => void {
    return () => () => {};
  }
}
