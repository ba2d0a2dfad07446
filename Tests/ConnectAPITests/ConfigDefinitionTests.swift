import ConnectAPI
import NIOCore
import OrderedCollections
import Testing

/// Messages are those of the golden recordings rest/057 to 062 and 096 to 106.
@Suite struct ConfigDefinitionTests {
    static let definition = ConfigDefinition([
        .init(
            "name", .string, default: .required, importance: .high, doc: "", group: "Common", order: 1,
            validator: .nonEmptyWithoutControlCharacters),
        .init("tasks.max", .int, default: .value("1"), importance: .high, doc: "", validator: .atLeast(1)),
        .init(
            "mode", .string, default: .value(""), importance: .high, doc: "", group: "Mode",
            dependents: ["column"], validator: .oneOf(["", "bulk"])),
        .init(
            "column", .string, default: .null, importance: .low, doc: "", group: "Mode",
            recommender: ConfigRecommender { (_, config) throws(ConnectError) in
                guard config.string("mode") == "bulk" else { throw .config("Invalid mode: \(config.string("mode"))") }
                return ["id"]
            }),
        .init("tables", .list, default: .value("a,b"), importance: .low, doc: ""),
        .init("flag", .boolean, default: .value("true"), importance: .low, doc: ""),
        .init("pw", .password, default: .null, importance: .low, doc: ""),
    ])

    func results(_ config: [String: String]) -> [String: ConfigValue] {
        Dictionary(uniqueKeysWithValues: Self.definition.validate(config).map { ($0.name, $0) })
    }

    @Test func aGoodConfiguration() {
        let all = results(["name": "v", "mode": "bulk", "tables": " x , y ", "pw": "secret", "unknown": "1"])
        #expect(all.values.flatMap { $0.errors } == [])
        #expect(all["tasks.max"]?.value == "1")
        #expect(all["tables"]?.value == "x,y")
        #expect(all["pw"]?.value == "[hidden]")
        #expect(all["column"]?.value == nil)
        #expect(all["column"]?.recommendedValues == ["id"])
        #expect(all["unknown"] == nil)
    }

    @Test func messagesAreKafkas() {
        var all = results(["tasks.max": "0", "mode": "foo", "flag": "yes"])
        #expect(all["name"]?.errors == ["Missing required configuration \"name\" which has no default value."])
        #expect(all["tasks.max"]?.errors == ["Invalid value 0 for configuration tasks.max: Value must be at least 1"])
        #expect(all["mode"]?.errors == ["Invalid value foo for configuration mode: String must be one of: , bulk"])
        #expect(all["column"]?.errors == ["Invalid mode: foo"])
        #expect(
            all["flag"]?.errors
                == ["Invalid value yes for configuration flag: Expected value to be either true or false"])
        all = results(["name": "", "tasks.max": "abc", "mode": "bulk"])
        #expect(all["name"]?.errors == ["Invalid value  for configuration name: String may not be empty"])
        #expect(
            all["tasks.max"]?.errors == [
                "Invalid value abc for configuration tasks.max: Not a number of type INT",
                "Invalid value null for configuration tasks.max: Value must be non-null",
            ])
        #expect(all["tasks.max"]?.value == nil)
        all = results(["name": "a\tb", "mode": "bulk"])
        #expect(
            all["name"]?.errors == [
                "Invalid value a\tb for configuration name: "
                    + "String may not contain control sequences but had the following ASCII chars: 9"
            ])
    }

    @Test func parsesTypes() throws {
        let config = try Self.definition.parse(["name": "n", "tasks.max": " 3 ", "pw": "x", "flag": "FALSE"])
        #expect(config.int("tasks.max") == 3)
        #expect(config.list("tables") == ["a", "b"])
        #expect(config.bool("flag") == false)
        #expect(config.optionalString("column") == nil)
        #expect(config.secret("pw")?.revealed == "x")
        #expect("\(config.secret("pw"), default: "")" == "[hidden]")
        let error = #expect(throws: ConnectError.self) { try Self.definition.parse(["tasks.max": "x"]) }
        #expect(error?.code == .config)
        #expect(error?.message.split(separator: "\n").count == 2)
    }

    @Test func secretsDoNotPrint() {
        let secret = Secret("geheim")
        var dumped = ""
        dump(secret, to: &dumped)
        #expect(!"\(secret) \(String(reflecting: secret)) \(dumped) \([secret])".contains("geheim"))
    }
}

@Suite struct SmallConverterTests {
    /// Bytes of Kafka's serialisers: big endian, fixed size.
    @Test func numbers() throws {
        func bytes(_ converter: some Converter, _ value: ConnectValue) throws -> [UInt8]? {
            let text = try converter.raw(value)
            #expect(try converter.toConnect(topic: "t", bytes: text.map { .init(bytes: $0) }).value == value)
            return text
        }
        #expect(try bytes(IntegerConverter(), .int32(-2)) == [0xff, 0xff, 0xff, 0xfe])
        #expect(try bytes(LongConverter(), .int64(258)) == [0, 0, 0, 0, 0, 0, 1, 2])
        #expect(try bytes(ShortConverter(), .int16(258)) == [1, 2])
        #expect(try bytes(DoubleConverter(), .float64(1)) == [0x3f, 0xf0, 0, 0, 0, 0, 0, 0])
        #expect(try bytes(FloatConverter(), .float32(1)) == [0x3f, 0x80, 0, 0])
        #expect(try bytes(BooleanConverter(), .boolean(true)) == [1])
        #expect(try bytes(IntegerConverter(), .null) == nil)
        #expect(try bytes(ByteArrayConverter(), .bytes([1, 2])) == [1, 2])
        #expect(try bytes(StringConverter(), .string("é")) == [0xc3, 0xa9])
        #expect(throws: ConnectError.self) { try IntegerConverter().toConnect(topic: "t", bytes: .init(bytes: [1])) }
        #expect(throws: ConnectError.self) { try IntegerConverter().raw(.int64(1)) }
        #expect(throws: ConnectError.self) { try StringConverter().toConnect(topic: "t", bytes: .init(bytes: [0xff])) }
        #expect(IntegerConverter.className == "org.apache.kafka.connect.converters.IntegerConverter")
    }

    /// As Kafka 4.3's `StringConverter` writes them.
    @Test func otherValuesAreWrittenAsText() throws {
        func text(_ schema: Schema?, _ value: ConnectValue) throws -> String? {
            var buffer = ByteBuffer()
            let hasBytes = try StringConverter().fromConnect(topic: "t", schema: schema, value: value, into: &buffer)
            return hasBytes ? String(buffer: buffer) : nil
        }
        let map = MapEntries(["k": .int32(1), "l": .null])
        #expect(try text(.int32, .int32(7)) == "7")
        #expect(try text(.decimal(scale: 2), .bytes([4, 226])) == "12.50")
        #expect(try text(nil, .map(map)) == "{k=1, l=null}")
        #expect(try text(.array(of: .decimal(scale: 1)), .array([.bytes([15])])) == "[1.5]")
        #expect(try text(.optionalString, .null) == nil)
    }
}
