import Foundation
import Testing

@testable import KafkaProtocol

@Suite struct ScramTests {
    /// NIST's examples for FIPS 180-4.
    @Test func digestsAreTheStandards() {
        func hex(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }
        #expect(
            hex(SHA2.sha256.hash(Array("abc".utf8)))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            hex(SHA2.sha256.hash([])) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(
            hex(SHA2.sha256.hash(Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)))
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
        #expect(
            hex(SHA2.sha512.hash(Array("abc".utf8)))
                == "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")
        // RFC 4231, test case 2.
        #expect(
            hex(SHA2.sha256.hmac(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8)))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(
            hex(SHA2.sha512.hmac(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8)))
                == "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                + "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737")
    }

    /// Python's hashlib computes all lengths around the ends of blocks, and keys longer than one.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/env")))
    func digestsAreThoseOfPython() throws {
        let script = """
            import hashlib, hmac
            for n in list(range(0, 140)) + [239, 240, 255, 256, 1000]:
                m = bytes(i * 7 % 256 for i in range(n))
                print(hashlib.sha256(m).hexdigest(), hashlib.sha512(m).hexdigest(),
                      hmac.new(m, b'x', 'sha256').hexdigest(), hmac.new(m, b'x', 'sha512').hexdigest(), n)
            """
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", "-c", script]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let lines = output.split(separator: "\n")
        try #require(lines.count == 145)
        for line in lines {
            let fields = line.split(separator: " ")
            let count = try #require(Int(fields[4]))
            let message = (0..<count).map { UInt8($0 * 7 % 256) }
            let found = [
                SHA2.sha256.hash(message), SHA2.sha512.hash(message), SHA2.sha256.hmac(key: message, [0x78]),
                SHA2.sha512.hmac(key: message, [0x78]),
            ].map { $0.map { String(format: "%02x", $0) }.joined() }
            #expect(found == fields.prefix(4).map(String.init), "length \(count)")
        }
    }

    /// The exchange in RFC 7677, section 3.
    @Test func theExchangeIsTheStandards() throws {
        var client = ScramClient(.sha256, user: "user", password: "pencil", nonce: "rOprNGfwEbeRWgbNEkqO")
        #expect(String(decoding: client.first, as: UTF8.self) == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
        let challenge =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        let final = try client.final(Array(challenge.utf8))
        #expect(
            String(decoding: final, as: UTF8.self)
                == "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                + "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        try client.verify(Array("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".utf8))
        #expect(throws: ScramError.self) {
            try client.verify(Array("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".utf8))
        }

        let salt = try #require(Base64.decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
        let salted = SHA2.sha256.derive(password: Array("pencil".utf8), salt: salt, iterations: 4096)
        let credential = ScramCredential(.sha256, saltedPassword: salted, salt: salt, iterations: 4096)
        var server = ScramServer(.sha256, nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
        let first = try server.answer(client.first) { $0 == "user" ? credential : nil }
        #expect(String(decoding: first, as: UTF8.self) == challenge)
        #expect(!server.isDone)
        let last = try server.answer(final) { _ in nil }
        #expect(String(decoding: last, as: UTF8.self) == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        #expect(server.isDone && server.user == "user")
        #expect(!"\(credential)".contains("storedKey") && !String(reflecting: credential).contains("salt"))
    }

    @Test(arguments: ScramMechanism.allCases) func wrongPasswordsAndGarbageAreRefused(_ mechanism: ScramMechanism)
        throws
    {
        let credential = ScramCredential(mechanism, password: "right")
        func exchange(_ user: String, _ password: String) throws -> Bool {
            var client = ScramClient(mechanism, user: user, password: password)
            var server = ScramServer(mechanism)
            let challenge = try server.answer(client.first) { $0 == "a,b=c" ? credential : nil }
            _ = try server.answer(client.final(challenge)) { _ in nil }
            return server.isDone && server.user == user
        }
        #expect(try exchange("a,b=c", "right"))
        #expect(throws: ScramError.self) { try exchange("a,b=c", "wrong") }
        #expect(throws: ScramError.self) { try exchange("nobody", "right") }
        let garbage = [
            "", "n,,", "p=tls,,n=u,r=x", "n,a=other,n=u,r=x", "n,,n=u=,r=x", "n,,r=x,n=u", "n,,n=u,r=", "\u{0}",
        ]
        for text in garbage {
            var server = ScramServer(mechanism)
            #expect(throws: ScramError.self, "\(text)") { try server.answer(Array(text.utf8)) { _ in credential } }
        }
        for text in ["", "c=biws", "c=biws,r=x,p=", "c=biws,r=x,p=AAAA", "c=!!!!,r=x,p=AAAA"] {
            var server = ScramServer(mechanism)
            _ = try server.answer(Array("n,,n=u,r=x".utf8)) { _ in credential }
            #expect(throws: ScramError.self, "\(text)") { try server.answer(Array(text.utf8)) { _ in credential } }
        }
    }
}
