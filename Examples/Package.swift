// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that the product's build does not wait for an HTTP framework
// (docs/decisions/2026-11-22-examples-package.md).

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let service: Target.Dependency = .product(name: "KafkaService", package: "sluice")
let serviceSQL: Target.Dependency = .product(name: "KafkaServiceSQL", package: "sluice")

let package = Package(
    name: "sluice-examples",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "sluice", path: ".."),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .target(
            name: "ExampleSupport", dependencies: [hummingbird, httpTypes, logging, service, serviceSQL],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "orders",
            dependencies: [
                "ExampleSupport", hummingbird, httpTypes, logging, lifecycle, signals, service, serviceSQL,
            ],
            path: "Sources/Orders", swiftSettings: swiftSettings),
        .executableTarget(
            name: "catalogs",
            dependencies: [
                "ExampleSupport", hummingbird, httpTypes, logging, lifecycle, signals, service, serviceSQL,
            ],
            path: "Sources/Catalogs", swiftSettings: swiftSettings),
    ]
)
