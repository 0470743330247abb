import 'reflect-metadata';
import * as common from '@nestjs/common';
import * as core from '@nestjs/core';
import * as websockets from '@nestjs/websockets';
import * as library from 'nestjs-ws-auth';
import * as ws from 'ws';
import { connectWithEachCredential } from './authenticated-connection.cjs';

const proved = await connectWithEachCredential({ common, core, websockets, library, ws });
console.log(proved.join(', '));
