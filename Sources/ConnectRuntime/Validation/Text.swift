extension String {
    /// Replaces every occurrence, without Foundation.
    func replacingAll(_ text: String, with replacement: String) -> String {
        guard !text.isEmpty else { return self }
        var result = ""
        var rest = self[...]
        while let range = rest.firstRange(of: text) {
            result += rest[..<range.lowerBound]
            result += replacement
            rest = rest[range.upperBound...]
        }
        return result + rest
    }
}

extension Substring {
    /// The first occurrence of a text, without Foundation and without the regex library.
    func firstRange(of text: String) -> Range<String.Index>? {
        let pattern = Array(text.utf8)
        let bytes = utf8
        guard let first = pattern.first else { return nil }
        var start = bytes.startIndex
        while let candidate = bytes[start...].firstIndex(of: first) {
            if bytes[candidate...].starts(with: pattern) {
                return candidate..<bytes.index(candidate, offsetBy: pattern.count)
            }
            start = bytes.index(after: candidate)
        }
        return nil
    }
}
