import ConnectAPI
import Foundation
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// The recorded answers about transformations and predicates.
@Suite(.disabled(if: Golden.isAbsent, "golden recordings are not here"))
struct GoldenPluginTests {
    private func body(_ file: String) throws -> JSONValue {
        let folder = try #require(Golden.folder)
        let call = try JSONValue(parsing: Data(contentsOf: folder.appending(path: "rest/\(file)")))
        return try #require(call["response"]?["body"])
    }

    @Test func allOfJavasAreListed() throws {
        let kinds = ["transformation", "predicate"]
        let recorded = try #require(try body("011-plugins-all.json").arrayValue)
            .filter { kinds.contains($0["type"]?.stringValue ?? "") }
        let ours = PluginRegistry().infos(connectorsOnly: false).filter { kinds.contains($0.type) }
        #expect(recorded.count == 29)
        #expect(ours.map(\.className) == recorded.compactMap { $0["class"]?.stringValue })
        #expect(ours.map(\.type) == recorded.compactMap { $0["type"]?.stringValue })
        #expect(ours.map(\.version) == recorded.compactMap { $0["version"]?.stringValue })
        #expect(PluginRegistry().infos(connectorsOnly: true).isEmpty)
    }

    @Test(arguments: [
        ("025-plugin-config-InsertField_Value", "InsertField$Value"), ("026-plugin-config-ValueToKey", "ValueToKey"),
        ("027-plugin-config-ExtractField_Key", "ExtractField$Key"),
        ("028-plugin-config-TimestampConverter_Value", "TimestampConverter$Value"),
        ("029-plugin-config-Cast_Value", "Cast$Value"), ("030-plugin-config-ReplaceField_Value", "ReplaceField$Value"),
        ("031-plugin-config-MaskField_Value", "MaskField$Value"), ("032-plugin-config-RegexRouter", "RegexRouter"),
        ("033-plugin-config-TimestampRouter", "TimestampRouter"), ("034-plugin-config-Flatten_Value", "Flatten$Value"),
        ("035-plugin-config-HoistField_Value", "HoistField$Value"),
        ("036-plugin-config-SetSchemaMetadata_Value", "SetSchemaMetadata$Value"),
        ("037-plugin-config-HeaderFrom_Value", "HeaderFrom$Value"), ("038-plugin-config-DropHeaders", "DropHeaders"),
        ("039-plugin-config-InsertHeader", "InsertHeader"), ("040-plugin-config-Filter", "Filter"),
        ("041-plugin-config-TopicNameMatches", "TopicNameMatches"), ("042-plugin-config-HasHeaderKey", "HasHeaderKey"),
        ("043-plugin-config-RecordIsTombstone", "RecordIsTombstone"),
    ])
    func optionsAreAsRecorded(_ file: String, _ name: String) throws {
        let plugins = PluginRegistry()
        let definition = try #require(
            plugins.transformation(name)?.configDefinition ?? plugins.predicate(name)?.configDefinition)
        let ours = definition.keys.values.map { ConnectorValidatorTests.comparable(ConfigKeyInfo($0).json) }
        let recorded = (try body(file + ".json").arrayValue ?? []).map { ConnectorValidatorTests.comparable($0) }
        #expect(ours == recorded)
    }
}
