import SystemPackage

// Who may change what lies on a path: the rule of OpenSSH's safe_path, with one word more against symbolic links.
//
// Every folder from the root down must be a real folder (no symbolic link), owned by root or by this user, and writable
// by nobody else; a folder with the sticky bit, such as /tmp, may be writable by all, since in it nobody can rename or
// remove what another owns. Then no other user can exchange any part of the path after it was looked at, and plain
// paths are safe to use. The state folder itself and all below belong to this user alone, mode 0700.

/// Checks the folders above `path`, from the root down.
func checkParents(of path: FilePath) throws(JournalError) {
    var checked = FilePath("/")
    try checkShared(checked)
    for component in path.removingLastComponent().components {
        checked.append(component)
        try checkShared(checked)
    }
}

/// Makes `path` and what is missing above it, mode 0700, and checks everything that was there.
func ensurePrivateFolder(_ path: FilePath) throws(JournalError) {
    var made = FilePath("/")
    try checkShared(made)
    for component in path.components {
        made.append(component)
        do throws(Errno) {
            try makeFolder(made, mode: .folder)
            try syncFolder(made.removingLastComponent())
        } catch  where error == .fileExists || error == .isDirectory {
        } catch {
            throw .writing(made, "create the folder", error, state: "Nothing was sent")
        }
        if made == path { try checkPrivate(made) } else { try checkShared(made) }
    }
}

/// Checks a folder that must be this user's alone.
func checkPrivate(_ path: FilePath) throws(JournalError) {
    let status = try folderStatus(path)
    guard status.userID == effectiveUser else {
        throw .security(
            path: path.string,
            reason: "belongs to user \(status.userID.rawValue), not to the user Rollbook runs as",
            remedy: "use a state folder of your own (--state-dir), or chown it"
        )
    }
    guard status.permissions.isDisjoint(with: [.groupReadWriteExecute, .otherReadWriteExecute]) else {
        throw .security(
            path: path.string,
            reason: "has mode \(octal(status)), others may look into it or change it",
            remedy: "chmod 0700 \(path)"
        )
    }
}

private func checkShared(_ path: FilePath) throws(JournalError) {
    let status = try folderStatus(path)
    guard status.userID == effectiveUser || status.userID == UserID(rawValue: 0) else {
        throw .security(
            path: path.string,
            reason: "belongs to user \(status.userID.rawValue), who could exchange what lies below",
            remedy: "use a state folder under folders of root or of your own (--state-dir)"
        )
    }
    guard
        status.permissions.isDisjoint(with: [.groupWrite, .otherWrite]) || status.permissions.contains(.saveText)
    else {
        throw .security(
            path: path.string,
            reason: "has mode \(octal(status)), others could exchange what lies below",
            remedy: "chmod go-w \(path), or use another state folder (--state-dir)"
        )
    }
}

private func folderStatus(_ path: FilePath) throws(JournalError) -> Stat {
    let status: Stat
    do throws(Errno) { status = try Stat(path, followTargetSymlink: false) } catch {
        throw .writing(path, "look at the folder", error)
    }
    if status.type == .symbolicLink { throw .symbolicLink(path) }
    guard status.type == .directory else {
        throw .security(
            path: path.string,
            reason: "is not a folder",
            remedy: "remove it, or name another with --state-dir"
        )
    }
    return status
}

private func octal(_ status: Stat) -> String { String(status.permissions.rawValue, radix: 8) }
