import ConnectAPI
import OrderedCollections

/// Results of validation that checks across options add to.
struct ValidationResults {
    private(set) var values: [ConfigValue]

    init(_ values: [ConfigValue]) {
        self.values = values
    }

    var hasErrors: Bool { values.contains { !$0.errors.isEmpty } }

    mutating func add(_ error: String, to names: [String]) {
        for index in values.indices where names.contains(values[index].name) {
            if !values[index].errors.contains(error) { values[index].errors.append(error) }
        }
    }
}

/// A connection test that ends in bounded time, whatever the options of the connector say.
enum ConnectionTest {
    private static let limit: Duration = .seconds(10)

    /// What is wrong with the connection; nil if it works. Tries once: the number of tries and the pause between them
    /// are for a connector that runs.
    static func problem(_ database: Database) async -> String? {
        do {
            try await Blocking.run { try database.connect(within: limit).close() }
            return nil
        } catch let error as SQLError {
            return "Could not connect to database. \(error.message)"
        } catch {
            return "Could not connect to database. \(error)"
        }
    }
}

/// The checks of a source's configuration, in the Java connector's order (`reference/jdbc-semantics.md` 8).
enum SourceValidation {
    static func validate(_ config: [String: String]) async -> [ConfigValue] {
        let definition = SQLSourceConnector.configDefinition
        var results = ValidationResults(definition.validate(config))
        guard !results.hasErrors, let parsed = try? definition.parse(config) else { return results.values }
        checkTables(parsed, &results)
        guard !results.hasErrors else { return results.values }
        if let problem = SourceOptions.problem(parsed) { results.add(problem.message, to: problem.names) }
        if let problem = SQLOptions.notBuilt(parsed) { results.add(problem.message, to: [problem.name]) }
        if parsed.string("topic.prefix").isEmpty, config["topic.prefix"] == nil {
            results.add(
                "Missing required configuration \"topic.prefix\" which has no default value.", to: ["topic.prefix"])
        }
        guard !results.hasErrors else { return results.values }
        await testConnection(parsed, for: .source, &results)
        guard !results.hasErrors, let options = try? SourceOptions(parsed) else { return results.values }
        if let problem = await queryProblem(options) {
            results.add(problem, to: [options.masksQuery ? "query.masked" : "query"])
        }
        return results.values
    }

    /// What the database says of the query in the statement that would be run; nil if it understands it.
    private static func queryProblem(_ options: SourceOptions) async -> String? {
        guard let query = options.query else { return nil }
        let criteria = options.mode == .bulk ? nil : SourceCriteria(ofQuery: options.mode)
        let suffix = options.querySuffix.isEmpty ? "" : " " + options.querySuffix
        let text = options.database.dialect.select(.query(query), criteria) + suffix
        do {
            try await Blocking.run {
                let connection = try options.database.connect(within: .seconds(10))
                defer { connection.close() }
                try connection.prepareQuery(text).close()
            }
            return nil
        } catch let error as SQLError {
            return "The database does not understand the query: \(options.text(of: error))"
        } catch {
            return "The query could not be checked: \(error)"
        }
    }

    private static func checkTables(_ config: ParsedConfig, _ results: inout ValidationResults) {
        let lists = ["table.whitelist", "table.blacklist", "table.include.list", "table.exclude.list"]
        let hasQuery =
            !config.string("query").isEmpty || config.secret("query.masked")?.revealed.isEmpty == false
        let hasList = lists.contains { !config.list($0).isEmpty }
        guard hasQuery, hasList else { return }
        results.add(
            "Do not specify table filtering configs with 'query'. Remove table.whitelist / table.blacklist / "
                + "table.include.list / table.exclude.list when using query mode or 'query' when using table "
                + "filtering mode.", to: lists.filter { !config.list($0).isEmpty } + ["query", "query.masked"])
    }

    /// Puts what is wrong with the database on `connection.url`.
    static func testConnection(
        _ config: ParsedConfig, for purpose: Database.Purpose, _ results: inout ValidationResults
    ) async {
        do throws(ConnectError) {
            let database = try Database(config, for: purpose)
            if let problem = await ConnectionTest.problem(database) { results.add(problem, to: ["connection.url"]) }
        } catch {
            let option = SQLSinkConnector.configDefinition.appending(SQLSourceConnector.configDefinition).keys.keys
                .first { error.message.hasPrefix("\($0)=") }
            if let option {
                results.add(error.message, to: [option])
            } else {
                results.add("Could not connect to database. \(error.message)", to: ["connection.url"])
            }
        }
    }
}

/// The checks of a sink's configuration.
enum SinkValidation {
    static func validate(_ config: [String: String]) async -> [ConfigValue] {
        let definition = SQLSinkConnector.configDefinition
        var results = ValidationResults(definition.validate(config))
        guard !results.hasErrors, let parsed = try? definition.parse(config) else { return results.values }
        if parsed.bool("delete.enabled"), parsed.string("pk.mode").lowercased() != "record_key" {
            results.add("Deletes are only supported for pk.mode record_key", to: ["delete.enabled", "pk.mode"])
            return results.values
        }
        if let problem = SinkOptions.missingKey(parsed) { results.add(problem, to: ["insert.mode", "pk.mode"]) }
        if let problem = SQLOptions.notBuilt(parsed) { results.add(problem.message, to: [problem.name]) }
        guard !results.hasErrors else { return results.values }
        await SourceValidation.testConnection(parsed, for: .sink, &results)
        guard !results.hasErrors else { return results.values }
        do throws(ConnectError) {
            _ = try SinkOptions(parsed)
        } catch {
            results.add(error.message, to: [error.message.hasPrefix("pk.mode") ? "pk.fields" : "table.name.format"])
        }
        return results.values
    }
}
