import 'reflect-metadata';
import * as common from '@nestjs/common';
import * as core from '@nestjs/core';
import * as fastify from '@nestjs/platform-fastify';
import * as websockets from '@nestjs/websockets';
import * as library from 'nestjs-ws-auth';
import * as ws from 'ws';
import { tryEachServer } from './each-server.cjs';

await tryEachServer({ common, core, fastify, websockets, library, ws });
