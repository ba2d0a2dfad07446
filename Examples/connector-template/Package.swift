// swift-tools-version: 6.2
import PackageDescription

// A connector in a package of its own. Copy the folder, and put the package's address in place of the path:
//   .package(url: "https://…/sluice", from: "0.1.0")

let package = Package(
    name: "tick-connector",
    platforms: [.macOS(.v15)],
    products: [.library(name: "TickConnector", targets: ["TickConnector"])],
    dependencies: [
        .package(name: "sluice", path: "../.."),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    ],
    targets: [
        // The connector sees ConnectAPI and nothing of Kafka.
        .target(
            name: "TickConnector",
            dependencies: [
                .product(name: "ConnectAPI", package: "sluice"), .product(name: "Logging", package: "swift-log"),
                .product(name: "OrderedCollections", package: "swift-collections"),
            ]),
        // A worker that has it.
        .executableTarget(
            name: "worker",
            dependencies: [
                "TickConnector", .product(name: "ConnectRuntime", package: "sluice"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "TickConnectorTests",
            dependencies: ["TickConnector", .product(name: "KafkaTesting", package: "sluice")]),
    ]
)
