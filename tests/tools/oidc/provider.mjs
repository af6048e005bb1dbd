// An OpenID Connect provider that knows everybody, whatever the password: `ann` signs on as the
// subject `id-of-ann`. Prints its issuer once it answers, and ends with its standard input.
import http from 'node:http';
import Provider from 'oidc-provider';

const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'pastina',
      client_secret: 'a secret / with + signs',
      redirect_uris: ['https://127.0.0.1/login/callback/school'],
    }],
    claims: { openid: ['sub'], profile: ['preferred_username'], email: ['email'] },
    pkce: { required: () => true },
    findAccount: (_, name) => ({
      accountId: name,
      claims: () => ({ sub: `id-of-${name}`, preferred_username: name, email: `${name}@example.kr` }),
    }),
  });
  // Ports of daemons in tests are known only later.
  provider.Client.prototype.redirectUriAllowed = (uri) =>
    /^https:\/\/127\.0\.0\.1:\d+\/login\/callback\/school$/.test(uri);
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.on('end', () => process.exit(0)).resume();
