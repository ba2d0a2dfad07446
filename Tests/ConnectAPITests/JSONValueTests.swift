import ConnectAPI
import Testing

@Suite struct JSONValueTests {
    @Test func keepsOrderAndSpelling() throws {
        let text = #"{"b":1,"a":[1.50,-0,1e5,18446744073709551615,9223372036854775807],"c":{"d":null},"e":"\u001F/é"}"#
        #expect(try JSONValue(parsing: text.utf8).text == text.replacing("-0", with: "0"))
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\":}", "{a:1}", "nul", "truex", "1.", "01", "-", "\"\u{1}\"", "\"\\x\"", "\"\\u12g4\"",
        "1 2", "\"abc", "{\"a\":1,}", "+1", "'a'",
    ])
    func refusesWhatIsNoJSON(_ text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text.utf8) }
    }

    @Test func refusesBadUTF8() {
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xff, 0x22]) }
    }

    @Test func tellsWhere() {
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: #"{"a":1,"b":x}"#.utf8) }
        #expect(error?.offset == 11)
    }

    /// Values of Java's Double.toString.
    @Test(arguments: [
        (1.0, "1.0"), (0.1, "0.1"), (100, "100.0"), (1e7, "1.0E7"), (9_999_999.5, "9999999.5"), (1e-3, "0.001"),
        (1e-4, "1.0E-4"), (123_456_789.125, "1.23456789125E8"), (-0.0, "-0.0"),
        (3.141592653589793, "3.141592653589793"), (1.7976931348623157e308, "1.7976931348623157E308"),
    ])
    func doublesAreSpeltAsInJava(_ number: Double, _ text: String) {
        #expect(JSONValue.double(number) == .number(text))
    }

    /// Unscaled bytes and texts of Java's BigDecimal.
    @Test(
        arguments: [
            ([0x00], 0, "0"), ([0x00], 2, "0.00"), ([0xff], 2, "-0.01"), ([0x7f], 1, "12.7"), ([0x80], 0, "-128"),
            ([0x00, 0x80], 0, "128"),
            (
                [0x09, 0x49, 0xb0, 0xf6, 0xf0, 0x02, 0x33, 0x13, 0xc4, 0x49, 0x90, 0x4e, 0xcc, 0x67, 0x45, 0x15], 10,
                "1234567890123456789012345678.0123456789"
            ),
            ([0x00, 0xab, 0x54, 0xa9, 0x8c, 0xeb, 0x1f, 0x0a, 0xd2], 0, "12345678901234567890"),
            ([0xff, 0x54, 0xab, 0x56, 0x73, 0x14, 0xe0, 0xf5, 0x2e], 0, "-12345678901234567890"),
        ] as [([UInt8], Int, String)])
    func decimalText(_ bytes: [UInt8], _ scale: Int, _ text: String) {
        #expect(ConnectDecimal.text(unscaled: bytes, scale: scale) == text)
        #expect(ConnectDecimal.unscaled(text: text, scale: scale) == bytes)
    }
}
