import Testing

@testable import KafkaBroker

/// The syntax is RE2's (https://github.com/google/re2/wiki/Syntax), as far as names call for it.
@Suite struct TextPatternTests {
    @Test(arguments: [
        ("orders", "orders", true), ("orders", "orders-2", false), ("orders.*", "orders-2", true), ("", "", true),
        ("a|b|cd", "cd", true), ("a|b|cd", "abcd", false), ("(foo|bar)-[0-9]+", "bar-42", true),
        ("(foo|bar)-[0-9]+", "bar-", false), ("[^a-c]x", "dx", true), ("[^a-c]x", "bx", false), ("a{2,3}", "aa", true),
        ("a{2,3}", "aaaa", false), ("a{2,}", "aaaaa", true), ("a{2}", "a", false), ("x{,2}", "x{,2}", true),
        ("\\d\\w\\s", "1_ ", true), ("\\D+", "ab1", false), ("^top$", "top", true), ("a\\.b", "axb", false),
        ("a.b", "axb", true), ("(?i)ORDERS[a-c]", "ordersB", true), ("(?:ab)*?c", "ababc", true),
        ("[[:alpha:]_]+", "ab_c", true), ("[]x]", "]", true), ("[a\\-z]", "-", true), ("(a*)*", "aaa", true),
        ("(a|a)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false), ("$a", "a", false),
    ])
    func matches(pattern: String, text: String, expected: Bool) throws {
        #expect(try TextPattern(pattern).matches(text) == expected)
    }

    @Test(arguments: ["(", ")", "a)", "[a", "*a", "a**", "\\", "a{2,1}", "(?=x)", "[b-a]", "[[:nope:]]", "\\1"])
    func refuses(pattern: String) {
        #expect(throws: TextPattern.Fault.self) { try TextPattern(pattern) }
    }

    @Test func hostilePatternsAreRefusedOrLinear() throws {
        #expect(throws: TextPattern.Fault.self) { try TextPattern("((a{1000}){1000}){1000}") }
        #expect(throws: TextPattern.Fault.self) { try TextPattern(String(repeating: "(", count: 100_000)) }
        #expect(try !TextPattern("(a*)*(a*)*(a*)*b").matches(String(repeating: "a", count: 2000)))
    }
}
