import KafkaProtocol
import NIOCore
import Testing

@testable import ConnectRuntime

/// Requests between workers are signed as Kafka's are (KIP-507).
struct SignatureTests {
    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// FIPS 180-4's examples.
    @Test func digestsOfTheStandard() {
        #expect(
            hex(SHA2.sha256.hash(Array("abc".utf8)))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            hex(SHA2.sha256.hash([])) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(
            hex(SHA2.sha256.hash(Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)))
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    }

    /// RFC 4231, test cases 1, 2 and 6 (a key longer than a block).
    @Test func codesOfTheStandard() {
        #expect(
            hex(SHA2.sha256.hmac(key: [UInt8](repeating: 0x0b, count: 20), Array("Hi There".utf8)))
                == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        #expect(
            hex(SHA2.sha256.hmac(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8)))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(
            hex(
                SHA2.sha256.hmac(
                    key: [UInt8](repeating: 0xaa, count: 131),
                    Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)))
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    private let key = SessionKey(key: Array("0123456789".utf8), algorithm: "HmacSHA256", created: 1)

    private func status(_ signature: InternalSignature, _ key: SessionKey?) -> Int? {
        do throws(HerderError) {
            try signature.check(with: key)
            return nil
        } catch {
            return error.status
        }
    }

    @Test func whatIsWrongIsTold() {
        let body = Array("[]".utf8)
        let code = key.sign(body).first?.value
        let good = InternalSignature(code: code, algorithm: "HmacSHA256", body: body)
        #expect(status(good, key) == nil)
        #expect(status(good, nil) == 503)
        #expect(status(InternalSignature(code: nil, algorithm: "HmacSHA256", body: body), key) == 400)
        #expect(status(InternalSignature(code: code, algorithm: "HmacMD5", body: body), key) == 400)
        // The exact bytes count.
        #expect(status(InternalSignature(code: code, algorithm: "HmacSHA256", body: Array("[ ]".utf8)), key) == 403)
        #expect(status(InternalSignature(code: "!", algorithm: "HmacSHA256", body: body), key) == 403)
    }

    @Test func theKeyIsStoredAsConnectDoes() throws {
        let entry = ConfigRecord.sessionKey(key).entry
        #expect(String(buffer: entry.key) == "session-key")
        #expect(
            entry.value.map { String(buffer: $0) }
                == #"{"key":"MDEyMzQ1Njc4OQ==","algorithm":"HmacSHA256","creation-timestamp":1}"#)
        #expect(ConfigRecord(entry) == .sessionKey(key))
        #expect(SessionKey.generate().key.count == 32)
    }
}
