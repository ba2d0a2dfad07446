"""librdkafka with OAUTHBEARER: tokens that its oauth_cb gives, signed with RSA and on P-256; refused ones.

usage: oauth.py keys FOLDER       makes keys and FOLDER/jwks.json
       oauth.py token FOLDER      prints a token of alice
       oauth.py run BOOTSTRAP FOLDER
"""
import base64
import json
import subprocess
import sys
import time


def openssl(*arguments, stdin=b""):
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True).stdout


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_keys(folder):
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", f"{folder}/rsa.key")
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{folder}/ec.key")
    modulus = openssl("rsa", "-in", f"{folder}/rsa.key", "-noout", "-modulus").decode().strip().split("=")[1]
    point = openssl("pkey", "-in", f"{folder}/ec.key", "-pubout", "-outform", "DER")[-64:]
    keys = [
        {"kty": "RSA", "kid": "r", "alg": "RS256", "use": "sig", "e": "AQAB", "n": encoded(bytes.fromhex(modulus))},
        {"kty": "EC", "kid": "e", "crv": "P-256", "x": encoded(point[:32]), "y": encoded(point[32:])}]
    with open(f"{folder}/jwks.json", "w") as file:
        json.dump({"keys": keys}, file)


def raw(der):
    """r and s of an ECDSA signature, 32 bytes each."""
    first = 4 + der[3]
    parts = der[4:first], der[first + 2:]
    return b"".join(part.lstrip(b"\0").rjust(32, b"\0") for part in parts)


def token(folder, algorithm="RS256", **claims):
    now = int(time.time())
    header = {"alg": algorithm, "kid": "r" if algorithm == "RS256" else "e"}
    body = {"sub": "alice", "iss": "me", "aud": "kafka", "iat": now, "exp": now + 300, **claims}
    text = ".".join(encoded(json.dumps(part).encode()) for part in (header, body))
    key = "rsa" if algorithm == "RS256" else "ec"
    signature = openssl("dgst", "-sha256", "-sign", f"{folder}/{key}.key", stdin=text.encode())
    return f"{text}.{encoded(signature if key == 'rsa' else raw(signature))}"


def run(bootstrap, folder):
    from confluent_kafka import KafkaError, Producer

    def produce(make):
        errors, results = [], []

        def give(_):
            return make(), time.time() + 300
        producer = Producer({
            "bootstrap.servers": bootstrap, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER",
            "oauth_cb": give, "error_cb": errors.append, "message.timeout.ms": 8000})
        producer.produce("oauth", b"value", on_delivery=lambda error, _: results.append(error))
        deadline = time.time() + 15
        while time.time() < deadline and not results:
            producer.poll(0.1)
            if any(error.code() == KafkaError._AUTHENTICATION for error in errors):
                return "refused"
        return results[0] if results else errors

    assert produce(lambda: token(folder)) is None
    assert produce(lambda: token(folder, "ES256")) is None
    for claims in ({"exp": int(time.time()) - 60}, {"iss": "you"}, {"aud": "other"}, {"sub": ""}):
        assert produce(lambda: token(folder, **claims)) == "refused", claims
    damaged = token(folder)[:-6] + "AAAAAA"
    assert produce(lambda: damaged) == "refused"
    print("DONE")


if sys.argv[1] == "keys":
    make_keys(sys.argv[2])
elif sys.argv[1] == "token":
    print(token(sys.argv[2]))
else:
    run(*sys.argv[2:])
