// swift-tools-version: 6.2
import PackageDescription

// The manifest is the architecture (docs/architecture.md): the compiler holds these import rules through
// `--explicit-target-dependency-import-check error`, which the Makefile passes to every build.

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioConcurrency: Target.Dependency = .product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let collections: Target.Dependency = .product(name: "OrderedCollections", package: "swift-collections")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let metrics: Target.Dependency = .product(name: "CoreMetrics", package: "swift-metrics")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "sluice",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "sluice", targets: ["SluiceCLI"]),
        .library(name: "KafkaProtocol", targets: ["KafkaProtocol"]),
        .library(name: "KafkaBroker", targets: ["KafkaBroker"]),
        .library(name: "KafkaClient", targets: ["KafkaClient"]),
        .library(name: "KafkaService", targets: ["KafkaService"]),
        .library(name: "KafkaServiceSQL", targets: ["KafkaServiceSQL"]),
        .library(name: "ConnectAPI", targets: ["ConnectAPI"]),
        .library(name: "ConnectRuntime", targets: ["ConnectRuntime"]),
        .library(name: "ConnectSQL", targets: ["ConnectSQL"]),
        .library(name: "ConnectFiles", targets: ["ConnectFiles"]),
        .library(name: "KafkaTesting", targets: ["KafkaTesting"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
    ],
    targets: [
        // C: module maps of system libraries, and the one routine that needs a CPU instruction.
        .systemLibrary(
            name: "CZlib", path: "Sources/CSystem/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(
            name: "CZstd", path: "Sources/CSystem/CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(
            name: "CLz4", path: "Sources/CSystem/CLz4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CSnappy", path: "Sources/CSystem/CSnappy", providers: [.apt(["libsnappy-dev"])]),
        // The databases' libraries are loaded when a connector first needs one, so they are named here without pkgConfig,
        // which would link them.
        .systemLibrary(
            name: "CSQLite", path: "Sources/CSystem/CSQLite", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(
            name: "CMariaDB", path: "Sources/CSystem/CMariaDB", providers: [.apt(["libmariadb-dev"])]),
        .systemLibrary(
            name: "CPostgreSQL", path: "Sources/CSystem/CPostgreSQL", providers: [.apt(["libpq-dev"])]),
        // So is OpenSSL, when TLS is first used.
        .systemLibrary(name: "COpenSSL", path: "Sources/CSystem/COpenSSL", providers: [.apt(["libssl-dev"])]),
        .target(name: "CCRC32C", path: "Sources/CSystem/CCRC32C"),

        .target(name: "LibraryLoading", swiftSettings: swiftSettings),
        .target(
            name: "TransportSecurity", dependencies: ["LibraryLoading", "COpenSSL", nioCore, nioConcurrency],
            swiftSettings: swiftSettings),

        .target(
            name: "KafkaProtocol",
            dependencies: [nioCore, "CCRC32C", "CZlib", "CZstd", "CLz4", "CSnappy"], swiftSettings: swiftSettings),
        .target(
            name: "KafkaStorage",
            dependencies: ["KafkaProtocol", nioCore, nioConcurrency, logging], swiftSettings: swiftSettings),
        .target(
            name: "KafkaBroker",
            dependencies: [
                "KafkaStorage", "KafkaProtocol", "TransportSecurity", nioCore, nioPosix, nioConcurrency, logging, deque,
                collections,
            ],
            swiftSettings: swiftSettings),
        .target(
            name: "KafkaClient",
            dependencies: [
                "KafkaProtocol", "TransportSecurity", nioCore, nioPosix, nioConcurrency, logging, deque, collections,
                metrics,
            ],
            swiftSettings: swiftSettings),
        .target(
            name: "KafkaService",
            dependencies: [
                "KafkaClient", "KafkaProtocol", nioCore, nioConcurrency, logging, deque, metrics, lifecycle, tracing,
            ],
            swiftSettings: swiftSettings),
        .target(
            name: "ConnectAPI",
            dependencies: [nioCore, logging, collections], swiftSettings: swiftSettings),
        .target(
            name: "ConnectSQL",
            dependencies: [
                "ConnectAPI", "LibraryLoading", "CSQLite", "CMariaDB", "CPostgreSQL", nioCore, nioConcurrency, logging,
                collections,
            ],
            swiftSettings: swiftSettings),
        .target(
            name: "ConnectFiles", dependencies: ["ConnectAPI", logging, collections], swiftSettings: swiftSettings),
        .target(
            name: "ConnectRuntime",
            dependencies: [
                "ConnectAPI", "KafkaClient", "KafkaProtocol", "TransportSecurity", nioCore, nioPosix, nioHTTP1,
                nioConcurrency, logging, collections, deque,
            ],
            swiftSettings: swiftSettings),
        .target(
            name: "KafkaServiceSQL", dependencies: ["KafkaService", "ConnectSQL", nioPosix, nioConcurrency],
            swiftSettings: swiftSettings),
        .target(
            name: "KafkaTesting",
            dependencies: [
                "KafkaBroker", "KafkaStorage", "KafkaClient", "KafkaProtocol", "ConnectAPI", nioCore, nioPosix,
                nioConcurrency, logging, collections,
            ],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "SluiceCLI",
            dependencies: [
                "KafkaBroker", "KafkaClient", "KafkaProtocol", "ConnectRuntime", "ConnectSQL", "ConnectFiles",
                "ConnectAPI",
                nioCore,
                nioPosix, nioConcurrency, logging, argumentParser, collections,
            ],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "ServiceProbe",
            dependencies: ["KafkaService", "KafkaServiceSQL", "KafkaClient", nioCore, nioConcurrency, logging],
            path: "Tools/ServiceProbe/Sources", swiftSettings: swiftSettings),
        .executableTarget(
            name: "MessageGenerator", path: "Tools/MessageGenerator/Sources", swiftSettings: swiftSettings),

        .testTarget(
            name: "KafkaProtocolTests", dependencies: ["KafkaProtocol", "MessageGenerator", "CCRC32C", nioCore],
            exclude: ["Fixtures"], swiftSettings: swiftSettings),
        .testTarget(
            name: "TransportSecurityTests", dependencies: ["TransportSecurity", "KafkaTesting", nioCore],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "KafkaStorageTests",
            dependencies: ["KafkaStorage", "KafkaTesting", "KafkaProtocol", nioCore, nioConcurrency, logging],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "KafkaBrokerTests",
            dependencies: [
                "KafkaBroker", "KafkaTesting", "KafkaProtocol", "KafkaStorage", "TransportSecurity", nioCore, nioPosix,
                nioConcurrency,
                logging, collections,
            ],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "ConnectSQLTests",
            dependencies: ["ConnectSQL", "ConnectAPI", "KafkaTesting", nioCore, logging, collections],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "ConnectFilesTests",
            dependencies: ["ConnectFiles", "ConnectAPI", "KafkaTesting", logging, collections],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "KafkaClientTests",
            dependencies: [
                "KafkaClient", "KafkaProtocol", "KafkaBroker", "KafkaTesting", nioCore, nioPosix, logging,
            ],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "KafkaServiceTests",
            dependencies: [
                "KafkaService", "KafkaServiceSQL", "KafkaClient", "KafkaProtocol", "KafkaBroker", "KafkaTesting",
                "ServiceProbe",
                nioCore, nioConcurrency, logging, metrics, lifecycle, tracing,
                .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
            ],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "IntegrationTests",
            dependencies: ["SluiceCLI", "KafkaTesting", "KafkaClient", "KafkaProtocol", nioCore, logging],
            exclude: [
                "Support/durable.py", "Support/group.py", "Support/connect_chaos.py", "Support/read_committed.py",
                "Support/transactional.py",
            ], swiftSettings: swiftSettings),
        .testTarget(name: "TidyTests", swiftSettings: swiftSettings),
        .testTarget(
            name: "CLITests",
            dependencies: [
                "SluiceCLI", "KafkaClient", "KafkaProtocol", argumentParser, nioCore, logging, collections,
            ],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "ConnectAPITests", dependencies: ["ConnectAPI", nioCore, collections], swiftSettings: swiftSettings),
        .testTarget(
            name: "ConnectRuntimeTests",
            dependencies: [
                "ConnectRuntime", "ConnectAPI", "KafkaClient", "KafkaProtocol", "KafkaTesting", "TransportSecurity",
                nioCore, nioPosix,
                nioHTTP1, nioConcurrency,
                logging, collections,
            ],
            exclude: ["GoldenDifferences.md"], swiftSettings: swiftSettings),
    ]
)
