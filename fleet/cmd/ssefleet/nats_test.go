package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"
)

// TestNATSAuth: each way to say who this is. Whoever says nothing, or something wrong, is refused.
func TestNATSAuth(t *testing.T) {
	feed := newFeed(t)
	feed.publish(1)
	list := feed.list(t, "/a")
	works := func(t *testing.T, nats string, flags ...string) {
		t.Helper()
		feed.publish(1)
		p := start(t, append(append([]string{"-nats", nats}, flags...), list)...)
		require.Equal(t, feed.URL+"/a", p.next().Stream)
		p.stop()
		code, out, stderr := outputOf(t, append([]string{"status", "-nats", nats}, flags...)...)
		require.NotEqual(t, exitBroken, code, stderr)
		require.Contains(t, out, feed.URL+"/a")
	}
	fails := func(t *testing.T, nats, want string, flags ...string) {
		t.Helper()
		p := start(t, append(append([]string{"-nats", nats}, flags...), list)...)
		require.Equal(t, exitBroken, p.end())
		require.Contains(t, p.stderr.String(), want)
		require.NotContains(t, p.stderr.String(), "hunter2")
		require.Equal(t, 1, strings.Count(p.stderr.String(), "\n"), "one line: %s", p.stderr.String())
	}
	const refused = "nats: Authorization Violation"
	dir := t.TempDir()

	t.Run("password", func(t *testing.T) {
		_, nats := startNATS(t, server.Options{Username: "me", Password: "hunter2"})
		fails(t, nats, refused)
		works(t, strings.Replace(nats, "//", "//me:hunter2@", 1))
		t.Setenv("NATS_USER", "me")
		t.Setenv("NATS_PASSWORD", "hunter2-wrong")
		fails(t, nats, refused)
		t.Setenv("NATS_PASSWORD", "hunter2")
		works(t, nats)
	})
	t.Run("token", func(t *testing.T) {
		_, nats := startNATS(t, server.Options{Authorization: "hunter2"})
		fails(t, nats, refused)
		fails(t, strings.Replace(nats, "//", "//hunter2x@", 1), refused)
		t.Setenv("NATS_TOKEN", "hunter2")
		works(t, nats)
	})
	t.Run("nkey", func(t *testing.T) {
		pair, err := nkeys.CreateUser()
		require.NoError(t, err)
		public, err := pair.PublicKey()
		require.NoError(t, err)
		seed, err := pair.Seed()
		require.NoError(t, err)
		writeFile(t, dir+"/nkey", string(seed))
		_, nats := startNATS(t, server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}})
		fails(t, nats, refused)
		fails(t, nats, "-nkey: ", "-nkey", dir+"/none")
		works(t, nats, "-nkey", dir+"/nkey")
	})
	t.Run("jwt", func(t *testing.T) {
		operator, err := nkeys.CreateOperator()
		require.NoError(t, err)
		account, err := nkeys.CreateAccount()
		require.NoError(t, err)
		user, err := nkeys.CreateUser()
		require.NoError(t, err)
		public := func(pair nkeys.KeyPair) string {
			key, err := pair.PublicKey()
			require.NoError(t, err)
			return key
		}
		claims := jwt.NewAccountClaims(public(account))
		claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
		accountJWT, err := claims.Encode(operator)
		require.NoError(t, err)
		userJWT, err := jwt.NewUserClaims(public(user)).Encode(account)
		require.NoError(t, err)
		resolver := new(server.MemAccResolver)
		require.NoError(t, resolver.Store(public(account), accountJWT))
		operatorClaims := jwt.NewOperatorClaims(public(operator))
		system, err := nkeys.CreateAccount()
		require.NoError(t, err)
		systemJWT, err := jwt.NewAccountClaims(public(system)).Encode(operator)
		require.NoError(t, err)
		require.NoError(t, resolver.Store(public(system), systemJWT))
		_, nats := startNATS(t, server.Options{TrustedOperators: []*jwt.OperatorClaims{operatorClaims}, AccountResolver: resolver, SystemAccount: public(system)})
		seed, err := user.Seed()
		require.NoError(t, err)
		creds, err := jwt.FormatUserConfig(userJWT, seed)
		require.NoError(t, err)
		writeFile(t, dir+"/creds", string(creds))
		writeFile(t, dir+"/jwt", userJWT)
		writeFile(t, dir+"/seed", string(seed))
		fails(t, nats, refused)
		fails(t, nats, "open "+dir+"/none", "-creds", dir+"/none")
		works(t, nats, "-creds", dir+"/creds")
		works(t, nats, "-jwt", dir+"/jwt", "-nkey", dir+"/seed")
	})
	t.Run("certificate", func(t *testing.T) {
		ca, caKey := newCertificate(t, dir+"/ca", nil, nil)
		newCertificate(t, dir+"/server", ca, caKey)
		newCertificate(t, dir+"/client", ca, caKey)
		pair, err := tls.LoadX509KeyPair(dir+"/server.crt", dir+"/server.key")
		require.NoError(t, err)
		pool := x509.NewCertPool()
		pool.AddCert(ca)
		_, nats := startNATS(t, server.Options{TLS: true, TLSVerify: true, TLSTimeout: 10, TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
		}})
		fails(t, nats, "certificate signed by unknown authority")
		fails(t, nats, "tls", "-ca", dir+"/ca.crt")
		works(t, nats, "-ca", dir+"/ca.crt", "-cert", dir+"/client.crt", "-key", dir+"/client.key")
	})
	t.Run("domain", func(t *testing.T) {
		_, nats := startNATS(t, server.Options{JetStreamDomain: "hub"})
		works(t, nats, "-domain", "hub")
		fails(t, nats, "bucket ssefleet: nats: no responders available for request", "-domain", "leaf")
	})
}

// newCertificate writes a certificate and its key, signed by a CA, or a CA if there is none yet.
func newCertificate(t *testing.T, name string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ca == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		ca, caKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	writeFile(t, name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(t, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})))
	return cert, key
}

// TestBucket: a bucket that forgets is refused, and one that may is warned of.
func TestBucket(t *testing.T) {
	feed := newFeed(t)
	feed.publish(1)
	_, nats := startNATS(t, server.Options{})
	js := newJetStream(t, nats)
	list := feed.list(t, "/a")
	for _, test := range []struct {
		cfg  jetstream.KeyValueConfig
		want string
	}{
		{jetstream.KeyValueConfig{Bucket: "memory", Storage: jetstream.MemoryStorage}, `msg="the bucket is in memory: positions are lost when NATS restarts" bucket=memory`},
		{jetstream.KeyValueConfig{Bucket: "replicas"}, `msg="the bucket has fewer replicas than -replicas" bucket=replicas replicas=1 wanted=3`},
		{jetstream.KeyValueConfig{Bucket: "history", History: 5}, `msg="the bucket keeps a history, which the fleet does not use" bucket=history history=5`},
		{jetstream.KeyValueConfig{Bucket: "full", MaxBytes: 20_000}, `msg="the bucket is nearly full" bucket=full bytes=`},
	} {
		kv, err := js.CreateKeyValue(t.Context(), test.cfg)
		require.NoError(t, err)
		if test.cfg.MaxBytes > 0 {
			_, err = kv.Put(t.Context(), "x", make([]byte, 16_500))
			require.NoError(t, err)
		}
		p := start(t, "-nats", nats, "-bucket", test.cfg.Bucket, "-replicas", "3", list)
		p.logs(test.want)
		require.Equal(t, "1", p.next().ID)
		p.stop()
	}
	_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "ttl", TTL: time.Hour})
	require.NoError(t, err)
	p := start(t, "-nats", nats, "-bucket", "ttl", list)
	require.Equal(t, exitBroken, p.end())
	require.Equal(t, "ssefleet: bucket ttl: it forgets positions after 1h0m0s: make it without a TTL\n", p.stderr.String())
	code, _, stderr := outputOf(t, "status", "-nats", nats, "-bucket", "none")
	require.Equal(t, exitBroken, code)
	require.Equal(t, "ssefleet: bucket none: nats: bucket not found\n", stderr)
	_, err = js.KeyValue(t.Context(), "none")
	require.ErrorIs(t, err, jetstream.ErrBucketNotFound, "status makes none")
}
