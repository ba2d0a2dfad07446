extension Duration {
    /// Reads an ISO 8601 duration of days, hours, minutes and seconds, such as `P7D` or `PT1H30M0.5S`
    /// (`java.time.Duration.parse`); nil if it is none or negative.
    package init?(iso8601 text: some StringProtocol) {
        var rest = text.uppercased()[...]
        guard rest.popFirst() == "P", !rest.isEmpty else { return nil }
        var isTime = false
        var total: Duration = .zero
        var number = ""
        var units = "DHMS"[...]
        while let character = rest.popFirst() {
            if character == "T" {
                guard !isTime, number.isEmpty, !rest.isEmpty else { return nil }
                isTime = true
            } else if character.isASCII, character.isNumber || character == "." {
                number.append(character)
            } else {
                // Each unit once, in their order.
                guard let place = units.firstIndex(of: character), (character == "D") != isTime,
                    let value = Double(number), value.isFinite, value < 1e9,
                    character == "S" || !number.contains(".")
                else { return nil }
                let seconds: Double = ["D": 86_400, "H": 3600, "M": 60, "S": 1][character] ?? 1
                total += .milliseconds(Int64((value * seconds * 1000).rounded()))
                units = units[units.index(after: place)...]
                number = ""
            }
        }
        guard number.isEmpty, units.count < 4 else { return nil }
        self = total
    }
}
