import Foundation
import KafkaTesting
import Testing

@testable import TransportSecurity

@Suite("Tokens")
struct TokenVerifierTests {
    /// The examples of RFC 7515, appendices A.2 (RSA) and A.3 (P-256).
    private static let payload =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    private static let rsaSignature =
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
        + "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0Gar"
        + "ZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq"
        + "Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    private static let ecSignature =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    private static let modulus =
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT"
        + "-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"
        + "UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2et"
        + "hFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
    private static let keys = """
        {"keys":[{"kty":"oct","k":"AQAB"},{"kty":"RSA","n":"\(modulus)","e":"AQAB"},
        {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}
        """
    private static let now = 1_300_819_000.0

    private func withVerifier(
        _ keys: String? = keys, _ change: (inout TokenVerifier.Rules) -> Void = { _ in },
        _ body: (TokenVerifier, String) throws -> Void
    ) throws {
        let folder = try TestBroker.makeTemporaryDirectory()
        defer { TestBroker.removeDirectory(folder) }
        var rules = TokenVerifier.Rules()
        rules.subjectClaim = "iss"
        if let keys {
            rules.keyFile = folder + "/keys.json"
            try keys.write(toFile: folder + "/keys.json", atomically: true, encoding: .utf8)
        }
        change(&rules)
        try body(try TokenVerifier(rules), folder + "/keys.json")
    }

    private static let rsaToken = "eyJhbGciOiJSUzI1NiJ9.\(payload).\(rsaSignature)"
    private static let ecToken = "eyJhbGciOiJFUzI1NiJ9.\(payload).\(ecSignature)"

    private static func base64(_ text: String) -> String {
        Data(text.utf8).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }

    private func refusal(_ verifier: TokenVerifier, _ token: String, now: Double = now) -> String {
        do throws(TokenVerifier.Refusal) {
            _ = try verifier.verify(token, now: now)
            return ""
        } catch { return error.description }
    }

    @Test("The examples of RFC 7515 are good until they end", arguments: [rsaToken, ecToken])
    func examples(token: String) throws {
        try withVerifier { verifier, _ in
            let claims = try verifier.verify(token, now: Self.now)
            #expect(claims == .init(subject: "joe", expiry: 1_300_819_380))
            #expect(refusal(verifier, token, now: 1_300_819_400) == "")
            #expect(refusal(verifier, token, now: 1_300_819_411).contains("expired"))
        }
    }

    @Test("Every damage is found")
    func damage() throws {
        try withVerifier { verifier, _ in
            for token in [Self.rsaToken, Self.ecToken] {
                for position in stride(from: 0, to: token.count, by: 7) {
                    var letters = Array(token)
                    letters[position] = letters[position] == "A" ? "B" : "A"
                    #expect(refusal(verifier, String(letters)) != "", "\(position)")
                }
            }
            let payload = Self.payload
            let others = [
                "", "a", "a.b", "..", "\(Self.rsaToken).x", "eyJhbGciOiJub25lIn0.\(payload).",
                "eyJhbGciOiJIUzI1NiJ9.\(payload).\(Self.ecSignature)",
                "\(Self.base64(#"{"alg":"RS256","crit":["x"]}"#)).\(payload).\(Self.rsaSignature)",
                // A signature of the other kind.
                "eyJhbGciOiJSUzI1NiJ9.\(payload).\(Self.ecSignature)",
                String(repeating: "A", count: 20_000) + ".\(payload).\(Self.rsaSignature)",
            ]
            for token in others { #expect(refusal(verifier, token) != "", "\(token.prefix(60))") }
        }
    }

    @Test("Unsigned tokens are taken only where that is said, and their claims are checked")
    func claims() throws {
        func token(_ claims: String) -> String { "\(Self.base64(#"{"alg":"none"}"#)).\(Self.base64(claims))." }
        let good = #"{"sub":"alice","exp":1300819380,"iss":"me","aud":["x","kafka"],"nbf":1300818000}"#
        try withVerifier { verifier, _ in #expect(refusal(verifier, token(good)).contains("not signed")) }
        try withVerifier(
            nil,
            { rules in
                rules.allowsUnsecured = true
                rules.subjectClaim = "sub"
                rules.issuer = "me"
                rules.audiences = ["kafka", "other"]
            }
        ) { verifier, _ in
            let claims = try verifier.verify(token(good), now: Self.now)
            #expect(claims.subject == "alice")
            let faults = [
                (#""exp":1300819380"#, #""x":1"#, "no exp"), (#""alice""#, #""""#, "no sub"),
                (#""me""#, #""you""#, "another issuer"), (#"["x","kafka"]"#, #""x""#, "another audience"),
                ("1300818000", "1300819100", "not valid yet"), ("1300819380", "1300818000", "expired"),
            ]
            for (part, other, words) in faults {
                let changed = good.replacingOccurrences(of: part, with: other)
                #expect(refusal(verifier, token(changed)).contains(words), "\(changed)")
            }
        }
    }

    @Test("A new key is found in the file when a token names it")
    func rotation() throws {
        let old = Self.keys.replacingOccurrences(of: #""kty":"EC""#, with: #""kty":"EC","kid":"old""#)
            .replacingOccurrences(of: "x_FEzRu9", with: "y_FEzRu9")
        let named = Self.base64(#"{"alg":"ES256","kid":"new"}"#) + ".\(Self.payload).\(Self.ecSignature)"
        try withVerifier(old) { verifier, path in
            #expect(refusal(verifier, named).contains("not known"))
            try Self.keys.replacingOccurrences(of: #""kty":"EC""#, with: #""kty":"EC","kid":"new""#)
                .write(toFile: path, atomically: true, encoding: .utf8)
            // Known now; but the signature is over another header.
            #expect(refusal(verifier, named, now: Self.now + 2).contains("signature is wrong"))
        }
    }

    @Test("A file without keys is named", arguments: ["", "{}", #"{"keys":[]}"#, #"{"keys":[{"kty":"oct"}]}"#, "[1"])
    func badFile(text: String) throws {
        do {
            try withVerifier(text) { _, _ in }
            Issue.record("accepted")
        } catch let error as TLSError { #expect(error.message.contains("jwks.endpoint.url")) }
    }

    /// Texts of RFC 8259's grammar, and some that are none.
    @Test("JSON is read strictly")
    func json() {
        func parsed(_ text: String) -> TokenJSON? { TokenJSON(parsing: Array(text.utf8)) }
        #expect(
            parsed(#" {"a":[1,-2.5e1,true,null,"\u00e9\ud83d\ude00\n"]} "#)
                == .object(["a": .array([.number(1), .number(-25), .bool(true), .null, .string("é😀\n")])]))
        for text in [
            "", "{", "[1,]", #"{"a":1,}"#, #"{"a":1,"a":2}"#, #""\x""#, #""\ud800""#, "01x", "+1", "nul", "[1] 2",
            "\"\u{1}\"", String(repeating: "[", count: 50),
        ] {
            #expect(parsed(text) == nil, "\(text)")
        }
    }
}
