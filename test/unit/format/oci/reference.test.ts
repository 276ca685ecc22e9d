import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import {
  formatReference,
  isLoopback,
  parseReference,
  versionOf,
} from '../../../../src/format/oci/reference.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

test('parseReference() takes host, port, repository, tag and digest apart', () => {
  assert.deepEqual(parseReference(`oci://host.example:5000/a/b:v1@${DIGEST}`), {
    registry: 'host.example:5000',
    host: 'host.example:5000',
    repository: 'a/b',
    tag: 'v1',
    digest: DIGEST,
  });
  assert.equal(parseReference('oci://[::1]:5000/a').host, '[::1]:5000');
  assert.equal(parseReference('host.example/a').tag, 'latest');
  assert.equal(parseReference(`host.example/a@${DIGEST}`).tag, undefined);
});

test('versionOf() prefers the digest', () => {
  assert.equal(versionOf(parseReference(`h.example/a:v1@${DIGEST}`)), DIGEST);
  assert.equal(versionOf(parseReference('h.example/a:v1')), 'v1');
});

test('names of docker.io lead to its registry, single ones to library', () => {
  const reference = parseReference('oci://docker.io/debian:12');
  assert.equal(reference.host, 'registry-1.docker.io');
  assert.equal(reference.repository, 'library/debian');
  assert.equal(formatReference(reference), 'oci://docker.io/library/debian:12');
  assert.equal(parseReference('index.docker.io/grafana/loki').repository, 'grafana/loki');
});

test('parseReference() refuses what is no reference', () => {
  const bad = [
    'oci://host',
    'oci://host/',
    'oci://host/UPPER',
    'oci://host/a:b:c',
    'oci://host/a:',
    `oci://host/a:${'t'.repeat(129)}`,
    'oci://host/a@sha256:short',
    `oci://host/a@${DIGEST}@${DIGEST}`,
    'oci://ho st/a',
    'oci://host:port/a',
    'oci://host/../a',
    `oci://host/${'a'.repeat(256)}`,
  ];
  for (const text of bad) {
    assert.throws(
      () => parseReference(text),
      (error) => isG8Error(error, 'ERR_USAGE'),
      text,
    );
  }
});

test('a password in a reference is refused and not repeated', () => {
  assert.throws(
    () => parseReference('oci://user:secret@host/a'),
    (error) => isG8Error(error, 'ERR_USAGE') && !error.message.includes('secret'),
  );
});

test('isLoopback() is not fooled by names', () => {
  const yes = ['localhost', 'localhost:5000', '127.0.0.1:80', '127.9.9.9', '[::1]:5000'];
  const no = ['127.0.0.1.example.com', 'localhost.example.com', '10.0.0.1', '[::2]', '128.0.0.1'];
  assert.deepEqual(
    yes.map(isLoopback),
    yes.map(() => true),
  );
  assert.deepEqual(
    no.map(isLoopback),
    no.map(() => false),
  );
});
