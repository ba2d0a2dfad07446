import ArgumentParser
import ConnectRuntime
import Logging
import OrderedCollections

/// `sluice connect-distributed`
struct ConnectDistributedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect-distributed",
        abstract: "Run a Connect worker that keeps its state in topics.",
        discussion: """
            Takes Kafka's connect-distributed.properties; works with any Kafka cluster.
            Workers of the same group.id share connectors and tasks.

            Example:
              sluice connect-distributed config/connect-distributed.properties
            """
    )

    @Argument(help: "The worker's properties file.")
    var file: String

    @OptionGroup var worker: WorkerOptions
    @OptionGroup var log: LogOptions

    func run() async throws {
        let stop = StopSignal()
        let configuration = try WorkerConfiguration(
            properties: PropertiesFile.dictionary(path: file), mode: .distributed)
        let connect = try DistributedWorker(
            configuration: configuration, plugins: BuiltInPlugins.registry(),
            logger: log.logger("connect", default: .info))
        try await connect.start()
        do {
            guard try await isReady(connect, stop) else { return await connect.shutdown() }
            try worker.announce(restPort: connect.restPort, configuration)
            await stop.wait()
        } catch {
            await connect.shutdown()
            throw error
        }
        await connect.shutdown()
    }
}

extension ConnectDistributedCommand {
    /// Waits for as long as it takes: a cluster may be away, a group may rebalance. False when told to stop meanwhile.
    private func isReady(_ connect: DistributedWorker, _ stop: StopSignal) async throws -> Bool {
        while !stop.isRaised {
            do throws(HerderError) {
                try await connect.waitUntilReady(timeout: .seconds(1))
                return true
            } catch {
                guard error.status == 503 else { throw error }
            }
        }
        return false
    }
}

/// `sluice connect-standalone`
struct ConnectStandaloneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect-standalone",
        abstract: "Run a Connect worker that keeps offsets in a file.",
        discussion: """
            Takes Kafka's connect-standalone.properties and the connectors to run, as
            properties files or JSON: a flat object, or what POST /connectors takes.

            Example:
              sluice connect-standalone worker.properties source.properties sink.json
            """
    )

    @Argument(help: "The worker's properties file.")
    var file: String

    @Argument(help: ArgumentHelp("Files of connectors to run.", valueName: "connector"))
    var connectors: [String] = []

    @OptionGroup var worker: WorkerOptions
    @OptionGroup var log: LogOptions

    func run() async throws {
        let stop = StopSignal()
        let configuration = try WorkerConfiguration(
            properties: PropertiesFile.dictionary(path: file), mode: .standalone)
        let connect = try StandaloneWorker(
            configuration: configuration, connectors: connectors.map(Self.connector),
            plugins: BuiltInPlugins.registry(), logger: log.logger("connect", default: .info))
        try await connect.start()
        do {
            try worker.announce(restPort: connect.restPort, configuration)
            await stop.wait()
        } catch {
            await connect.shutdown()
            throw error
        }
        await connect.shutdown()
    }

    /// Reads a connector's file; JSON begins with a brace.
    static func connector(path: String) throws -> StandaloneWorker.ConnectorFile {
        do {
            let text = try TextFile.contents(path: path)
            if text.first(where: { !$0.isWhitespace }) == "{" {
                return try StandaloneWorker.ConnectorFile(json: text.utf8)
            }
            return try StandaloneWorker.ConnectorFile(properties: PropertiesFile.read(path: path))
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure("\(path): \(error)")
        }
    }
}

/// What both workers take besides their file.
struct WorkerOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Write a JSON file with the REST address once it answers.", valueName: "path"))
    var readyFile: String?

    /// Tells that the worker is ready.
    func announce(restPort: Int?, _ configuration: WorkerConfiguration) throws(CommandFailure) {
        let servers = configuration.bootstrapServers.joined(separator: ",")
        guard let restPort else {
            Terminal.print("Connect worker on \(servers), without REST, ready in \(ProcessClock.milliseconds) ms.")
            return
        }
        let url = "\(configuration.advertisedScheme)://127.0.0.1:\(restPort)"
        let port = servers.split(separator: ":").last.flatMap { Int($0) } ?? 0
        try ReadyFile(bootstrapServers: servers, port: port, rest: (url, restPort)).write(to: readyFile)
        Terminal.print("Connect worker on \(servers), REST on \(url), ready in \(ProcessClock.milliseconds) ms.")
    }
}
