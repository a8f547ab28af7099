import SystemPackage

// What the system's error codes mean where this module meets them.

extension JournalError {
    static func writing(_ path: FilePath, _ task: String, _ error: Errno, state: String? = nil) -> JournalError {
        switch error {
        case .tooManySymbolicLinkLevels, .notDirectory: .symbolicLink(path)
        default: .storage(path: path.string, task: task, cause: "\(error)", state: state)
        }
    }

    static func reading(_ path: FilePath, name: String, _ error: Errno) -> JournalError {
        switch error {
        case .tooManySymbolicLinkLevels, .notDirectory: .symbolicLink(path)
        case .invalidArgument:
            .security(
                path: path.string,
                reason: "is not a regular file",
                remedy: "look at who put it there; remove it"
            )
        case .fileTooLarge: .integrity(path: path.string, reason: "it is larger than a \(name) of Rollbook can be")
        default: .storage(path: path.string, task: "read the \(name)", cause: "\(error)")
        }
    }

    static func symbolicLink(_ path: FilePath) -> JournalError {
        .security(
            path: path.string,
            reason: "is a symbolic link, or lies under one",
            remedy: "put a real folder or file there, or name the real one with --state-dir"
        )
    }
}
