#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A C library, loaded when it is first needed: a program that does not use it neither waits for it nor holds it in
/// memory, and it may be absent.
public struct SharedLibrary<Functions>: @unchecked Sendable {
    /// The library's functions. They stay for the life of the process.
    public let functions: UnsafePointer<Functions>

    /// - Parameters:
    ///   - names: the files to try, in order.
    ///   - package: what to install if there is none.
    ///   - resolve: fills the functions in; the name of one that the library lacks, or nil.
    public init(
        _ names: [String], package: String,
        _ resolve: (UnsafeMutableRawPointer, UnsafeMutablePointer<Functions>) -> UnsafePointer<CChar>?
    ) throws(LibraryError) {
        var reason = ""
        for name in names {
            // Global, because libraries' own plugins look for their symbols there.
            guard let library = dlopen(name, RTLD_NOW | RTLD_GLOBAL) else {
                reason = dlerror().map { String(cString: $0) } ?? reason
                continue
            }
            let functions = UnsafeMutablePointer<Functions>.allocate(capacity: 1)
            guard let missing = resolve(library, functions) else {
                self.functions = UnsafePointer(functions)
                return
            }
            reason = "\(name) has no function \(String(cString: missing))"
            functions.deallocate()
            dlclose(library)
        }
        throw LibraryError(package: package, reason: reason)
    }

    /// The file of a library in the places where a system keeps it.
    public static func names(_ name: String, version: String, formula: String) -> [String] {
        #if canImport(Darwin)
            let file = "\(name).\(version).dylib"
            return [file] + ["/opt/homebrew/opt", "/usr/local/opt"].flatMap { ["\($0)/\(formula)/lib/\(file)"] }
        #else
            return ["\(name).so.\(version)", "\(name).so"]
        #endif
    }
}

/// A library that is absent or too old.
public struct LibraryError: Error, Sendable, CustomStringConvertible {
    /// The package to install.
    public let package: String
    /// What the system's loader said.
    public let reason: String

    /// What to install, and why.
    public var description: String { "install the package \(package) (\(reason))" }
}
