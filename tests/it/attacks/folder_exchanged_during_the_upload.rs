//! While a release is added to a folder, or put into a new one, the agent puts a link in the place of a folder on the way.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use clawgate::app::release::{PrepareParams, PublishParams};
use clawgate::app::{App, Failure};

use super::keys;
use crate::world::{PASSPHRASE, World, confirm, review_to_end};

/// Maximum number of attempts to exchange a folder during an upload.
const MAX_ROUNDS: usize = 20;

/// Publishes while another thread exchanges `dir` for a link to `elsewhere` as soon as a temporary folder is in `watched`.
fn exchanged(app: &mut App, watched: &Path, dir: &Path, elsewhere: &Path) -> (Result<(), Failure>, bool) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let agent = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let names = fs::read_dir(watched).into_iter().flatten().flatten().map(|e| e.file_name());
                if names.into_iter().any(|n| n.to_string_lossy().starts_with(".clawgate-")) {
                    fs::rename(dir, elsewhere).unwrap();
                    symlink(elsewhere, dir).unwrap();
                    return true;
                }
            }
            false
        });
        let published = app.publish(&PublishParams::default()).map(drop);
        done.store(true, Ordering::Relaxed);
        (published, agent.join().unwrap())
    })
}

fn signed(world: &World, params: &PrepareParams) -> App {
    let mut app = world.app();
    app.prepare(params).unwrap();
    review_to_end(&mut app);
    confirm(&mut app).unwrap();
    let shown = app.sign_preview(None).unwrap();
    app.sign(&shown, PASSPHRASE).unwrap();
    app
}

#[test]
fn files_that_leave_the_approved_folder_are_never_reported_as_published() {
    let mut refused = 0;
    for _ in 0..MAX_ROUNDS {
        let world = World::new(&["claude-2.1.329"]);
        let (parent, elsewhere) = (world.tmp.path().join("par"), world.tmp.path().join("elsewhere"));
        fs::create_dir_all(&parent).unwrap();
        let folder = Some(parent.join("ds").display().to_string());
        world.confirmed_with(&PrepareParams { folder, ..PrepareParams::default() });
        keys(&world);
        let mut app = world.app();
        let shown = app.sign_preview(None).unwrap();
        app.sign(&shown, PASSPHRASE).unwrap();
        let (published, exchanged) = exchanged(&mut app, &parent, &parent, &elsewhere);
        // Without a failure the folder was exchanged after the last check, when the publication was complete.
        if let (Err(failure), true) = (published, exchanged) {
            assert_eq!(failure.code, "publish", "{failure}");
            refused += 1;
        }
        if refused == 3 {
            return;
        }
    }
    assert!(refused > 0, "no exchange came during the upload");
}

#[test]
fn an_added_release_does_not_leave_the_folder_through_a_link_that_is_made_meanwhile() {
    let mut refused = 0;
    for _ in 0..MAX_ROUNDS {
        let world = World::new(&["claude-2.1.329"]);
        let folder = Some(world.out().display().to_string());
        world.confirmed_with(&PrepareParams { folder: folder.clone(), ..PrepareParams::default() });
        keys(&world);
        let mut app = world.app();
        let shown = app.sign_preview(None).unwrap();
        app.sign(&shown, PASSPHRASE).unwrap();
        app.publish(&PublishParams::default()).unwrap();
        crate::scope::log(&world, 1, "/srv/shop");
        let mut app = world.app();
        app.scan(&clawgate::app::scan::ScanParams::default()).unwrap();
        app.set_scope(&clawgate::app::sessions::ScopeParams { confirm: true, ..Default::default() }).unwrap();
        crate::world::approve_all(&mut app);
        drop(app);
        let params = PrepareParams { folder, new: true, new_only: Some(true), ..PrepareParams::default() };
        let mut app = signed(&world, &params);
        let (data, elsewhere) = (world.out().join("data"), world.tmp.path().join("elsewhere"));
        let parent = world.out().parent().unwrap().to_owned();
        let (published, exchanged) = exchanged(&mut app, &parent, &data, &elsewhere);
        // Without a failure the folder was exchanged after the last check, when the publication was complete.
        if let (Err(failure), true) = (published, exchanged) {
            assert_eq!(failure.code, "publish", "{failure}");
            refused += 1;
        }
        let left = fs::read_dir(world.out()).unwrap().flatten();
        assert!(!left.map(|e| e.file_name()).any(|n| n.to_string_lossy().starts_with(".clawgate-")));
        if refused == 3 {
            return;
        }
    }
    assert!(refused > 0, "no exchange came during the upload");
}
