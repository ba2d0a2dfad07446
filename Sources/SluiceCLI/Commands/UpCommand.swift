import ArgumentParser
import ConnectRuntime
import KafkaBroker
import Logging

/// `sluice up`
struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Run a broker and a Connect worker in this process.",
        discussion: """
            Everything is kept in the data folder, and goes on from there at the next
            start. Ctrl-C stops cleanly.

            Examples:
              sluice up
              sluice up --data-dir /var/lib/sluice --bind 0.0.0.0
              sluice up --port 0 --rest-port 0 --ready-file ready.json
            """
    )

    @OptionGroup var server: ServerOptions

    @Option(help: ArgumentHelp("Port of the Connect REST interface; 0 takes a free one.", valueName: "port"))
    var restPort: Int = 8083

    @OptionGroup var log: LogOptions

    func validate() throws {
        guard (0...65_535).contains(restPort) else {
            throw ValidationError("--rest-port \(restPort) is not between 0 and 65535")
        }
    }

    func run() async throws {
        let stop = StopSignal()
        let configuration = try server.configuration(file: [:], defaultDataDirectory: "sluice-data")
        let logger = log.logger("broker", default: .warning)
        for name in configuration.unknownNames {
            logger.warning("Property is not known and has no effect", metadata: ["property": "\(name)"])
        }
        let broker = Broker(configuration: configuration, logger: logger)
        let address = try await broker.start()
        do {
            try await runConnect(beside: address, configuration, until: stop)
        } catch {
            await broker.shutdown()
            throw error
        }
        await broker.shutdown()
    }

    private func runConnect(
        beside broker: Broker.Address, _ configuration: BrokerConfiguration, until stop: StopSignal
    ) async throws {
        let kafka = Address.text(host: broker.host, port: broker.port)
        var connect = WorkerConfiguration(embeddedWith: [kafka])
        let host = configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host
        connect.listeners = ["http://\(host):\(restPort)"]
        let worker = try DistributedWorker(
            configuration: connect, plugins: BuiltInPlugins.registry(), logger: log.logger("connect", default: .warning)
        )
        try await worker.start()
        do {
            try await worker.waitUntilReady()
            let port = worker.restPort ?? restPort
            let url = "http://\(Address.text(host: configuration.host, port: port))"
            let ready = ReadyFile(bootstrapServers: kafka, port: broker.port, rest: (url, port))
            try ready.write(to: server.readyFile)
            Terminal.print(Self.banner(ready, dataDirectory: configuration.dataDirectory))
            await stop.wait()
        } catch {
            await worker.shutdown()
            throw error
        }
        await worker.shutdown()
    }

    /// What a newcomer wants to know.
    static func banner(_ ready: ReadyFile, dataDirectory: String) -> String {
        let url = ready.rest?.url ?? ""
        let server = ready.bootstrapServers == "127.0.0.1:9092" ? "" : " --bootstrap-server \(ready.bootstrapServers)"
        return """
            Sluice is ready (\(ProcessClock.milliseconds) ms). Ctrl-C stops it.

              Kafka    \(ready.bootstrapServers)
              Connect  \(url)
              Data     \(dataDirectory)

            Try, in another terminal:
              sluice topics\(server) --list
              sluice console-producer\(server) --topic news
              curl \(url)/connector-plugins
            """
    }
}
