import Foundation
import KafkaTesting
import Logging
import NIOCore
import NIOHTTP1
import Testing
import TransportSecurity

@testable import ConnectRuntime

/// REST over TLS.
@Suite(.timeLimit(.minutes(1)))
struct HTTPSTests {
    private func withServer(
        _ properties: [String: String], _ body: (Int, FakeHerder) async throws -> Void
    ) async throws {
        let herder = FakeHerder()
        var listener = RESTConfiguration.Listener(host: "127.0.0.1", port: 0)
        listener.tls = try RESTListeners.settings(properties)
        let server = RESTServer(
            herder: herder, configuration: RESTConfiguration(listeners: [listener]),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let port = try #require(try await server.start().first?.port)
        do {
            try await body(port, herder)
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    private func curl(_ arguments: [String]) async throws -> (output: String, status: Int32) {
        try await runProgram(["curl", "--silent", "--show-error", "--max-time", "20"] + arguments)
    }

    @Test func curlTrustsTheAuthority() async throws {
        let files = try await TestCertificates.shared()
        try await withServer(files.properties(keystore: "server.keystore.pem")) { port, _ in
            let good = try await curl(["--cacert", files.path("ca.pem"), "https://localhost:\(port)/connectors"])
            #expect(good.status == 0 && good.output == "[]", "\(good)")
            // 60: the certificate cannot be verified.
            let stranger = try await curl([
                "--cacert", files.path("other-ca.pem"), "https://localhost:\(port)/connectors",
            ])
            #expect(stranger.status == 60, "\(stranger)")
            let plain = try await curl(["http://localhost:\(port)/connectors"])
            #expect(plain.status != 0)
            // A new connector's location is an https one.
            let created = try await curl([
                "--cacert", files.path("ca.pem"), "--include", "--header", "Content-Type: application/json", "--data",
                RESTServerTests.config, "https://localhost:\(port)/connectors",
            ])
            #expect(created.output.lowercased().contains("location: https://localhost:\(port)/connectors/x"))
        }
    }

    @Test func clientsMayHaveToShowACertificate() async throws {
        let files = try await TestCertificates.shared()
        var properties = ["listeners.https.ssl.client.auth": "required"]
        for (name, value) in files.properties(keystore: "server.keystore.pem") {
            properties["listeners.https." + name] = value
        }
        // With the prefix there, what is without it is for the Kafka clients only.
        properties["ssl.keystore.location"] = "/no/such/file"
        try await withServer(properties) { port, _ in
            let url = "https://localhost:\(port)/connectors"
            let trust = ["--cacert", files.path("ca.pem")]
            let bare = try await curl(trust + [url])
            #expect(bare.status != 0)
            let shown = try await curl(
                trust + ["--cert", files.path("alice.pem"), "--key", files.path("alice.key"), url])
            #expect(shown.status == 0 && shown.output == "[]", "\(shown)")
        }
    }

    @Test func workersTalkToEachOther() async throws {
        let files = try await TestCertificates.shared()
        try await withServer(files.properties(keystore: "server.keystore.pem")) { port, _ in
            let base = "https://localhost:\(port)/"
            let client = WorkerRESTClient(tls: try RESTListeners.settings(files.properties()))
            let answer = try await client.send(
                .GET, to: base, target: "/connectors", headers: [:], body: ByteBuffer(), timeout: .seconds(20))
            #expect(answer.status == .ok && answer.body == Array("[]".utf8))
            let stranger = WorkerRESTClient(
                tls: try RESTListeners.settings(files.properties(truststore: "other-ca.pem")))
            do {
                _ = try await stranger.send(
                    .GET, to: base, target: "/connectors", headers: [:], body: ByteBuffer(), timeout: .seconds(20))
                Issue.record("answered")
            } catch {
                #expect("\(error)".contains("ssl.truststore.location"), "\(error)")
            }
        }
    }

    @Test func aWorkerWithHTTPSSaysSo() throws {
        let properties = [
            "bootstrap.servers": "a:1", "key.converter": "c", "value.converter": "c", "listeners": "https://h:8443",
            "offset.storage.file.filename": "f", "ssl.keystore.location": "/keys.pem", "security.protocol": "SSL",
            "sasl.mechanism": "PLAIN", "sasl.jaas.config": "x",
        ]
        let configuration = try WorkerConfiguration(properties: properties, mode: .standalone)
        #expect(configuration.advertisedScheme == "https" && configuration.unknownProperties.isEmpty)
        let listener = try #require(try RESTListeners.parse(configuration).first)
        #expect(listener.tls?.hasCertificate == true && listener.port == 8443)
        #expect(configuration.clientProperties["ssl.keystore.location"] == "/keys.pem")
        #expect(configuration.clientProperties("producer", overriddenBy: [:])["sasl.jaas.config"] == "x")
    }
}
