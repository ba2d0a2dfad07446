public import NIOCore

/// What precedes every request: version 1, or version 2 with tagged fields for flexible versions of the API.
public struct RequestHeader: Sendable, Hashable {
    /// Which API is called.
    public var apiKey: APIKey
    /// The version of the request's layout.
    public var apiVersion: Int16
    /// Comes back in the response.
    public var correlationId: Int32
    /// The client's name for itself, for logs and quotas.
    public var clientId: String?

    /// A header.
    public init(apiKey: APIKey, apiVersion: Int16, correlationId: Int32, clientId: String?) {
        self.apiKey = apiKey
        self.apiVersion = apiVersion
        self.correlationId = correlationId
        self.clientId = clientId
    }

    /// Reads a header; the layout follows from API and version. An API without a known first flexible version is read
    /// with the old header, so that it can be answered or refused by name.
    public static func decode(from reader: inout WireReader) throws(WireError) -> RequestHeader {
        let apiKey = APIKey(rawValue: try reader.readInt16())
        let version = try reader.readInt16()
        let correlationId = try reader.readInt32()
        // The client id keeps its old form even in header version 2, so that any broker can read it.
        let clientId = try reader.readNullableString(flexible: false)
        if version >= apiKey.firstFlexibleVersion { try reader.skipTags() }
        return RequestHeader(apiKey: apiKey, apiVersion: version, correlationId: correlationId, clientId: clientId)
    }

    /// Writes the header in the layout of its API and version.
    public func encode(into writer: inout WireWriter) {
        writer.writeInt16(apiKey.rawValue)
        writer.writeInt16(apiVersion)
        writer.writeInt32(correlationId)
        if let clientId {
            writer.writeString(clientId, flexible: false)
        } else {
            writer.writeNullString(flexible: false)
        }
        if apiVersion >= apiKey.firstFlexibleVersion { writer.writeUnsignedVarint(0) }
    }
}

/// What precedes every response. ApiVersions always has the old form, because the client does not yet know what the
/// broker speaks (KIP-511).
public struct ResponseHeader: Sendable, Hashable {
    /// The number of the request that is answered.
    public var correlationId: Int32

    /// Writes the header.
    public static func encode(
        correlationId: Int32, apiKey: APIKey, version: Int16, into writer: inout WireWriter
    ) {
        writer.writeInt32(correlationId)
        if isFlexible(apiKey, version) { writer.writeUnsignedVarint(0) }
    }

    /// Reads only the correlation id, which comes first in every layout: with it the API is found.
    public static func peekCorrelationId(_ buffer: ByteBuffer) -> Int32? {
        buffer.getInteger(at: buffer.readerIndex)
    }

    /// Reads a header whose API and version are known.
    public static func decode(
        from reader: inout WireReader, apiKey: APIKey, version: Int16
    ) throws(WireError) -> ResponseHeader {
        let correlationId = try reader.readInt32()
        if isFlexible(apiKey, version) { try reader.skipTags() }
        return ResponseHeader(correlationId: correlationId)
    }

    private static func isFlexible(_ apiKey: APIKey, _ version: Int16) -> Bool {
        apiKey != .apiVersions && version >= apiKey.firstFlexibleVersion
    }
}
