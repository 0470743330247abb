import { Console } from 'node:console';
import { ModulesContainer, NestFactory } from '@nestjs/core';
import { CommandFailed } from './command-line.js';
import { IdleHttpAdapter } from './idle-http-adapter.js';
import { firstLine, loadModule } from './load-module.js';

/**
 * An application that was built and is not started: constructors and factories have run, lifecycle hooks have not, and
 * nothing listens.
 */
export class BuiltApplication {
  readonly #modules: ModulesContainer;

  private constructor(modules: ModulesContainer) {
    this.#modules = modules;
  }

  /**
   * Builds the module of a compiled file. What it prints by `console` goes to the error output from now on.
   *
   * @param place as {@link loadModule} takes it
   * @throws {CommandFailed} when it cannot be loaded or built; what `WsAuthModule` refuses is thrown as it is
   */
  static async of(place: string): Promise<BuiltApplication> {
    globalThis.console = new Console(process.stderr);
    const module = await loadModule(place);
    const app = await NestFactory.create(module, new IdleHttpAdapter(), {
      logger: false,
      abortOnError: false,
    }).catch((error: unknown) => {
      if (problemsOf(error)) throw error;
      throw new CommandFailed(`the application cannot be built: ${firstLine(error)}`);
    });
    return new BuiltApplication(app.get(ModulesContainer));
  }

  /** What `WsAuthModule` has made. @throws {CommandFailed} when it is not there */
  find<T>(token: symbol): T {
    const modules = [...this.#modules.values()];
    const found = modules.map(({ providers }) => providers.get(token)?.instance).find(Boolean);
    if (found) return found as T;
    throw new CommandFailed(
      'the application does not import WsAuthModule.forRoot(); a module that is made by a function, such as AppModule.with(settings), is exported from a file of its own',
    );
  }
}

/** Why options were refused. By code and not by class: the application may have loaded the other build of this library. */
export function problemsOf(error: unknown): readonly string[] | undefined {
  const { code, problems } = (error ?? {}) as { code?: unknown; problems?: unknown };
  return code === 'invalid_options' && Array.isArray(problems) ? (problems as string[]) : undefined;
}
