import ConnectAPI
import Foundation
import Testing

@testable import ConnectSQL

@Suite struct ValueFormTests {
    private func unscaled(_ text: String, _ scale: Int) -> String? {
        Array(text.utf8).withUnsafeBytes { DecimalText.unscaled($0, scale: scale) }.map {
            Data($0).base64EncodedString()
        }
    }

    private func parse(_ text: String) -> (milliseconds: Int64, offset: Int?)? {
        Array(text.utf8).withUnsafeBytes { CivilTime.parseTimestamp($0) }.map {
            (CivilTime.split(microseconds: $0.microseconds).milliseconds, $0.offset)
        }
    }

    // golden/source/type-map.json
    @Test func decimalsAsJavaWritesThem() {
        #expect(unscaled("12345678.90", 2) == "SZYC0g==")
        #expect(unscaled("1234567890123456789012345678.0123456789", 10) == "CUmw9vACMxPESZBOzGdFFQ==")
        #expect(unscaled("12345678901234567890", 0) == "AKtUqYzrHwrS")
        #expect(unscaled("123", 0) == "ew==")
        #expect(unscaled("-1", 0) == "/w==")
        #expect(unscaled("-128", 0) == "gA==")
        #expect(unscaled("-12345678901234567890", 0) == "/1SrVnMU4PUu")
        #expect(unscaled("1", 2) == "ZA==")
        #expect(unscaled("1.5", 0) == nil)
        #expect(unscaled("abc", 2) == nil)
        #expect(unscaled("", 2) == nil)
    }

    @Test(arguments: [
        ("12345678.90", 2), ("-0.01", 2), ("0", 0), ("-99999999999999999999.5", 1), ("0.000", 3), ("-1", 0),
        ("1234567890123456789012345678.0123456789", 10), ("-18446744073709551616", 0),
    ])
    func decimalTextAndBack(_ text: String, _ scale: Int) throws {
        let bytes = try #require(Array(text.utf8).withUnsafeBytes { DecimalText.unscaled($0, scale: scale) })
        var result: [UInt8] = []
        DecimalText.append(bytes, scale: scale, to: &result)
        #expect(String(decoding: result, as: UTF8.self) == text)
    }

    @Test func calendarAgreesWithFoundation() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
        for days in stride(from: -100_000, through: 200_000, by: 373) {
            let date = Date(timeIntervalSince1970: Double(days) * 86_400)
            let parts = calendar.dateComponents([.year, .month, .day], from: date)
            let own = CivilTime.date(days: days)
            if days > -140_000 {  // Foundation switches to the Julian calendar before 1582
                #expect(own.year == parts.year && own.month == parts.month && own.day == parts.day)
            }
            #expect(CivilTime.days(year: own.year, month: own.month, day: own.day) == days)
        }
    }

    @Test(arguments: [
        ("2024-02-29", 1_709_164_800_000), ("2024-02-29 13:14:15", 1_709_212_455_000),
        ("2024-02-29T13:14:15.123456", 1_709_212_455_123), ("2024-02-29 13:14", 1_709_212_440_000),
        ("2024-02-29T13:14:15.5Z", 1_709_212_455_500), ("1969-12-31 23:59:59.999", -1),
    ])
    func timestamps(_ text: String, _ milliseconds: Int64) {
        #expect(parse(text)?.milliseconds == milliseconds)
    }

    @Test func timestampText() {
        var text: [UInt8] = []
        CivilTime.appendTimestamp(milliseconds: 1_709_212_455_123, to: &text)
        #expect(String(decoding: text, as: UTF8.self) == "2024-02-29 13:14:15.123")
        #expect(parse("2024-02-29 13:14:15+09:00")?.offset == 32_400)
        #expect(parse("2024-13-29") == nil)
        #expect(parse("soon") == nil)
    }

    @Test func fixedZones() {
        let hour: Int64 = 3_600_000
        #expect(SQLTimeZone("UTC")?.local(fromUTC: 0) == 0)
        #expect(SQLTimeZone("+09:00")?.local(fromUTC: 0) == 9 * hour)
        #expect(SQLTimeZone("GMT-3")?.utc(fromLocal: 0) == 3 * hour)
        #expect(SQLTimeZone("UTC+0530")?.local(fromUTC: 0) == 11 * hour / 2)
        for name in ["Nowhere", "", "../../etc/passwd", "/etc/passwd", "+99:00"] { #expect(SQLTimeZone(name) == nil) }
    }

    @Test(arguments: [
        "Asia/Tokyo", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata",
    ])
    func namedZonesAgreeWithFoundation(_ name: String) throws {
        let zone = try #require(SQLTimeZone(name))
        let reference = try #require(TimeZone(identifier: name))
        for day in stride(from: -7_000, through: 45_000, by: 11) {
            let instant = Int64(day) * 86_400_000 + Int64(day % 24) * 3_600_000
            let offset = Int64(reference.secondsFromGMT(for: Date(timeIntervalSince1970: Double(instant) / 1_000)))
            let comment = Comment(rawValue: "\(name) \(day)")
            #expect(zone.local(fromUTC: instant) == instant + offset * 1_000, comment)
            // Local times that come twice are left out.
            let next = instant + 7_200_000
            let later = reference.secondsFromGMT(for: Date(timeIntervalSince1970: Double(next) / 1_000))
            let earlier = reference.secondsFromGMT(
                for: Date(timeIntervalSince1970: Double(instant - 7_200_000) / 1_000))
            if later == Int(offset), earlier == Int(offset) {
                #expect(zone.utc(fromLocal: instant + offset * 1_000) == instant, comment)
            }
        }
    }
}
