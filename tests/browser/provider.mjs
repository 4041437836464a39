// A real identity provider for the tests: panva's oidc-provider, which signs everybody in at once.
//
// PORT is where it listens on loopback (with TLS where CERT and KEY name files). It knows one client for each algorithm,
// `shanhai-RS256` and so on, whose secret is in SECRET. POST /next says who is signed in next: {"account", "amr"}.
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import Provider from "oidc-provider";

const { PORT, SECRET, CERT, KEY } = process.env;
const issuer = `${CERT ? "https" : "http"}://localhost:${PORT}`;
const KINDS = { RS256: ["rsa", { modulusLength: 2048 }], ES256: ["ec", { namedCurve: "P-256" }], EdDSA: ["ed25519", {}] };
const ALGORITHMS = { RS256: "RS256", PS256: "RS256", ES256: "ES256", EdDSA: "EdDSA" };
const next = { account: "nobody", amr: ["pwd"] };

const keys = Object.entries(KINDS).map(([name, [kind, options]]) => {
  const { privateKey } = generateKeyPairSync(kind, options);
  return { ...privateKey.export({ format: "jwk" }), kid: `key-${name}`, use: "sig" };
});

const provider = new Provider(issuer, {
  clients: Object.keys(ALGORITHMS).map((algorithm, number) => ({
    client_id: `shanhai-${algorithm}`,
    client_secret: SECRET,
    redirect_uris: ["https://shanhai.test/callback"],
    grant_types: ["authorization_code"],
    response_types: ["code"],
    token_endpoint_auth_method: number % 2 ? "client_secret_post" : "client_secret_basic",
    id_token_signed_response_alg: algorithm,
  })),
  jwks: { keys },
  enabledJWA: { idTokenSigningAlgValues: Object.keys(ALGORITHMS) },
  cookies: { keys: ["only for tests"] },
  pkce: { required: () => true },
  claims: { openid: ["sub", "amr"] },
  findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
});

// every deployment under test has an address of its own
provider.Client.prototype.redirectUriAllowed = (uri) => /^https?:\/\/[a-z0-9.:]+\/sign-in\/oidc\/[0-9a-f-]{36}\/callback$/.test(uri);

async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    await provider.interactionFinished(request, response, { login: { accountId: next.account, amr: next.amr } });
    return;
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope("openid");
  await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}

async function listen(request, response) {
  if (request.method === "POST" && request.url === "/next") {
    let body = "";
    for await (const piece of request) body += piece;
    Object.assign(next, JSON.parse(body));
    response.end();
  } else if (request.url.startsWith("/interaction/")) {
    await interact(request, response).catch((error) => response.writeHead(500).end(String(error)));
  } else {
    provider.callback()(request, response);
  }
}

const server = CERT ? https.createServer({ cert: readFileSync(CERT), key: readFileSync(KEY) }, listen) : http.createServer(listen);
server.listen(Number(PORT), "127.0.0.1");
