import { Injectable } from '@nestjs/common';

/** Somebody who may log in. */
export interface User {
  readonly id: string;
  readonly roles: readonly string[];
}

const USERS: readonly User[] = [
  { id: 'ada', roles: [] },
  { id: 'bob', roles: [] },
  { id: 'cleo', roles: [] },
  { id: 'root', roles: ['admin'] },
];

/**
 * Who there is. That is the application's to know: the library keeps sessions by a keyed hash of the user id, and cannot
 * say whose they are. In a real application, this is the table of users.
 */
@Injectable()
export class UserDirectory {
  all(): readonly User[] {
    return USERS;
  }

  find(id: unknown): User | undefined {
    return USERS.find((user) => user.id === id);
  }
}
