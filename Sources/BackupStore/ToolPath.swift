/// The folders in which programs are looked for; given by the caller, never taken from the environment.
package struct ToolPath: Sendable, Hashable {
    package let directories: [String]

    package init(_ directories: [String]) { self.directories = directories }

    /// Where Debian and the usual tarball installations put programs.
    package static let standard = ToolPath([
        "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
    ])

    /// The first executable file of that name, or nil.
    func find(_ name: String) -> String? {
        directories.lazy.compactMap { Self.executable(name, in: $0) }.first
    }

    static func executable(_ name: String, in directory: String) -> String? {
        let path = directory + "/" + name
        return Directory.isExecutableFile(path) ? path : nil
    }
}
