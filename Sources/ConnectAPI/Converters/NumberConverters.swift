public import NIOCore

/// How one of Kafka's primitive converters turns a value into bytes of a fixed size and back.
public struct PrimitiveCodec: Sendable {
    let className: String
    let aliases: [String]
    let schema: Schema
    let encode: @Sendable (ConnectValue) -> [UInt8]?
    let decode: @Sendable ([UInt8]) -> ConnectValue?
}

/// Names the primitive that a converter carries.
public protocol ConverterPrimitive: Sendable {
    /// Its bytes.
    static var codec: PrimitiveCodec { get }
}

/// Kafka's converters of one primitive each (`IntegerConverter` and so on).
public final class PrimitiveConverter<Primitive: ConverterPrimitive>: Converter {
    /// Kafka's class name.
    public static var className: String { Primitive.codec.className }
    /// Short names.
    public static var aliases: [String] { Primitive.codec.aliases }
    /// There are no options.
    public static var configDefinition: ConfigDefinition { ConfigDefinition([.converterType]) }

    /// Makes a converter.
    public init() {}

    /// Does nothing: there are no options.
    public func configure(_ config: [String: String], isKey: Bool) throws(ConnectError) {}

    /// Appends the big-endian bytes of a value of the converter's type.
    public func fromConnect(
        topic: String, schema: Schema?, value: ConnectValue, into buffer: inout ByteBuffer
    ) throws(ConnectError) -> Bool {
        if value.isNull { return false }
        guard let bytes = Primitive.codec.encode(value) else {
            throw .data("\(Self.className) cannot write a value of type \(value.type?.rawValue ?? "null")")
        }
        buffer.writeBytes(bytes)
        return true
    }

    /// Reads an optional value of the converter's type; the number of bytes must be right.
    public func toConnect(topic: String, bytes: ByteBuffer?) throws(ConnectError) -> SchemaAndValue {
        guard let bytes else { return SchemaAndValue(schema: Primitive.codec.schema, value: .null) }
        guard let value = Primitive.codec.decode(Array(bytes.readableBytesView)) else {
            throw .data("\(bytes.readableBytes) bytes of a record of \(topic) are no value of \(Self.className)")
        }
        return SchemaAndValue(schema: Primitive.codec.schema, value: value)
    }
}

private func bigEndianBytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
}

private func bigEndian<Integer: FixedWidthInteger>(_ bytes: [UInt8], as type: Integer.Type) -> Integer? {
    guard bytes.count == MemoryLayout<Integer>.size else { return nil }
    return bytes.reduce(0) { $0 << 8 | Integer(truncatingIfNeeded: $1) }
}

/// Kafka's `IntegerConverter`.
public typealias IntegerConverter = PrimitiveConverter<Int32Primitive>

/// Names `Int32` as the primitive of a converter.
public enum Int32Primitive: ConverterPrimitive {
    /// Kafka's bytes of it.
    public static let codec = PrimitiveCodec(
        className: "org.apache.kafka.connect.converters.IntegerConverter",
        aliases: ["IntegerConverter", "Integer"],
        schema: .optionalInt32,
        encode: { value in if case .int32(let number) = value { bigEndianBytes(number) } else { nil } },
        decode: { bytes in bigEndian(bytes, as: Int32.self).map { .int32($0) } })
}

/// Kafka's `LongConverter`.
public typealias LongConverter = PrimitiveConverter<Int64Primitive>

/// Names `Int64` as the primitive of a converter.
public enum Int64Primitive: ConverterPrimitive {
    /// Kafka's bytes of it.
    public static let codec = PrimitiveCodec(
        className: "org.apache.kafka.connect.converters.LongConverter",
        aliases: ["LongConverter", "Long"],
        schema: .optionalInt64,
        encode: { value in if case .int64(let number) = value { bigEndianBytes(number) } else { nil } },
        decode: { bytes in bigEndian(bytes, as: Int64.self).map { .int64($0) } })
}

/// Kafka's `ShortConverter`.
public typealias ShortConverter = PrimitiveConverter<Int16Primitive>

/// Names `Int16` as the primitive of a converter.
public enum Int16Primitive: ConverterPrimitive {
    /// Kafka's bytes of it.
    public static let codec = PrimitiveCodec(
        className: "org.apache.kafka.connect.converters.ShortConverter",
        aliases: ["ShortConverter", "Short"],
        schema: .optionalInt16,
        encode: { value in if case .int16(let number) = value { bigEndianBytes(number) } else { nil } },
        decode: { bytes in bigEndian(bytes, as: Int16.self).map { .int16($0) } })
}

/// Kafka's `FloatConverter`.
public typealias FloatConverter = PrimitiveConverter<FloatPrimitive>

/// Names `Float` as the primitive of a converter.
public enum FloatPrimitive: ConverterPrimitive {
    /// Kafka's bytes of it.
    public static let codec = PrimitiveCodec(
        className: "org.apache.kafka.connect.converters.FloatConverter",
        aliases: ["FloatConverter", "Float"],
        schema: .optionalFloat32,
        encode: { value in if case .float32(let number) = value { bigEndianBytes(number.bitPattern) } else { nil } },
        decode: { bytes in bigEndian(bytes, as: UInt32.self).map { .float32(Float(bitPattern: $0)) } })
}

/// Kafka's `DoubleConverter`.
public typealias DoubleConverter = PrimitiveConverter<DoublePrimitive>

/// Names `Double` as the primitive of a converter.
public enum DoublePrimitive: ConverterPrimitive {
    /// Kafka's bytes of it.
    public static let codec = PrimitiveCodec(
        className: "org.apache.kafka.connect.converters.DoubleConverter",
        aliases: ["DoubleConverter", "Double"],
        schema: .optionalFloat64,
        encode: { value in if case .float64(let number) = value { bigEndianBytes(number.bitPattern) } else { nil } },
        decode: { bytes in bigEndian(bytes, as: UInt64.self).map { .float64(Double(bitPattern: $0)) } })
}

/// Kafka's `BooleanConverter`.
public typealias BooleanConverter = PrimitiveConverter<BoolPrimitive>

/// Names `Bool` as the primitive of a converter.
public enum BoolPrimitive: ConverterPrimitive {
    /// Kafka's bytes of it.
    public static let codec = PrimitiveCodec(
        className: "org.apache.kafka.connect.converters.BooleanConverter",
        aliases: ["BooleanConverter", "Boolean"],
        schema: .optionalBoolean,
        encode: { value in if case .boolean(let number) = value { [number ? 1 : 0] } else { nil } },
        decode: { bytes in bytes.count == 1 ? .boolean(bytes[0] != 0) : nil })
}
