#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Reading files of keys and certificates, and PEM as properties files carry it.
enum PEMText {
    /// Larger files hold no keys.
    private static let largestFile = 16 << 20

    /// A whole file.
    static func bytes(_ path: String, setting: String) throws(TLSError) -> [UInt8] {
        guard let file = fopen(path, "rb") else {
            throw TLSError(.configuration, "\(setting)=\(path): \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = fread(&part, 1, part.count, file)
            guard count > 0 else { break }
            bytes += part[..<count]
            guard bytes.count <= largestFile else {
                throw TLSError(.configuration, "\(setting)=\(path): the file is too large for keys and certificates")
            }
        }
        guard ferror(file) == 0 else { throw TLSError(.configuration, "\(setting)=\(path): the file cannot be read") }
        return bytes
    }

    static func read(_ path: String, setting: String) throws(TLSError) -> String {
        String(decoding: try bytes(path, setting: setting), as: UTF8.self)
    }

    /// Puts each block's text into lines: in a properties file it may be all in one, with blanks between.
    static func inLines(_ text: String) -> [UInt8] {
        var result: [UInt8] = []
        var rest = text[...]
        while let begin = rest.firstRange(of: "-----BEGIN "),
            let beginEnd = rest[begin.upperBound...].firstRange(of: "-----"),
            let end = rest[beginEnd.upperBound...].firstRange(of: "-----END "),
            let endEnd = rest[end.upperBound...].firstRange(of: "-----")
        {
            let body = rest[beginEnd.upperBound..<end.lowerBound]
            result += rest[begin.lowerBound..<beginEnd.upperBound].utf8
            result.append(UInt8(ascii: "\n"))
            // Headers of an old kind of encrypted key need their lines.
            if body.contains(":") { result += body.utf8 } else { append(body, &result) }
            result += rest[end.lowerBound..<endEnd.upperBound].utf8
            result.append(UInt8(ascii: "\n"))
            rest = rest[endEnd.upperBound...]
        }
        return result
    }

    private static func append(_ base64: Substring, _ result: inout [UInt8]) {
        var column = 0
        for byte in base64.utf8 where byte > 32 {
            result.append(byte)
            column += 1
            if column == 64 {
                result.append(UInt8(ascii: "\n"))
                column = 0
            }
        }
        if column > 0 { result.append(UInt8(ascii: "\n")) }
    }
}

/// Reads small files of secrets, such as tokens.
public enum TextFileReader {
    /// - Throws: a configuration error that names the setting and the file.
    public static func text(_ path: String, setting: String) throws(TLSError) -> String {
        try PEMText.read(path, setting: setting)
    }
}
