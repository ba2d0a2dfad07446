import Foundation

enum ProcessEnvironment {
    static let isLogging = ProcessInfo.processInfo.environment["SLUICE_TEST_LOG"] != nil
}
