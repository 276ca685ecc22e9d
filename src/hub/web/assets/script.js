// What pages do beyond their HTML: times of the reader's zone, copying, uploads with progress. All pages work without.

for (const time of document.querySelectorAll('time')) {
  const date = new Date(time.dateTime);
  const two = (number) => String(number).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  time.textContent = `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
  time.title = date.toString();
}

if (navigator.clipboard) {
  for (const button of document.querySelectorAll('button[data-copy]')) {
    button.hidden = false;
    button.addEventListener('click', () => {
      const { textContent } = button;
      const tell = (text) => {
        button.textContent = text;
        setTimeout(() => {
          button.textContent = textContent;
        }, 1500);
      };
      navigator.clipboard.writeText(button.dataset.copy).then(
        () => tell('copied'),
        () => tell('refused'),
      );
    });
  }
}

// `/` goes to the search field, as in other tools of the trade.
const search = document.querySelector('input[type=search]');
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(input|select|textarea)$/i.test(event.target.tagName)) return;
  event.preventDefault();
  search.focus();
  search.select();
});

// Forms that take long: sent in the background, with what happens below them.
const job = document.querySelector('.job');
for (const form of document.querySelectorAll('form[data-job]')) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const buttons = document.querySelectorAll('form[data-job] button');
    for (const button of buttons) button.disabled = true;
    const view = jobView();
    send(form, view)
      .then((answer) => followed(answer, form.dataset.job, view))
      .then(view.link, view.fail)
      .finally(() => {
        for (const button of buttons) button.disabled = false;
      });
  });
}

function jobView() {
  const bar = job.querySelector('progress');
  const log = job.querySelector('.log');
  log.replaceChildren();
  bar.value = 0;
  job.hidden = false;
  job.scrollIntoView({ block: 'nearest' });
  const line = (...parts) => {
    const row = document.createElement('div');
    row.append(...parts);
    log.append(row);
    log.scrollTop = log.scrollHeight;
  };
  return {
    progress: (percent) => {
      bar.value = percent;
    },
    line,
    link: (path) => {
      bar.value = 100;
      const link = document.createElement('a');
      link.href = `/${path.split('/').map(encodeURIComponent).join('/')}.md`;
      link.textContent = path;
      line('Published: ', link);
      link.focus();
    },
    fail: (error) => {
      const text = document.createElement('b');
      text.className = 'bad';
      text.textContent = error.message;
      line('Failed: ', text);
    },
  };
}

/** Sends a form. @returns the id of the job that it began, or where something was published */
function send(form, view) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', form.action);
    const data = new FormData(form);
    const isUpload = form.enctype === 'multipart/form-data';
    request.upload.addEventListener('progress', ({ loaded, total }) => {
      if (isUpload && total > 0) view.progress((100 * loaded) / total);
    });
    request.upload.addEventListener('load', () => {
      if (isUpload) view.line('Uploaded.');
    });
    request.addEventListener('error', () => reject(new Error('The hub cannot be reached')));
    request.addEventListener('load', () => {
      try {
        resolve(answerOf(request));
      } catch (error) {
        reject(error);
      }
    });
    request.send(isUpload ? data : new URLSearchParams(data));
  });
}

function answerOf({ status, responseText }) {
  const isJson = responseText.startsWith('{');
  const answer = isJson ? JSON.parse(responseText) : {};
  if (status >= 400) {
    throw new Error(answer.message ?? answer.detail ?? `The hub answered ${status}`);
  }
  if (isJson) return { job: answer.jobid };
  const page = new DOMParser().parseFromString(responseText, 'text/html');
  const id = page.querySelector('#jobid')?.textContent;
  return id === undefined ? { path: page.querySelector('p').textContent } : { job: id };
}

/** Shows what happens in a job. @returns where its result is published */
function followed(answer, repository, view) {
  if (answer.path !== undefined) return answer.path;
  view.progress(0);
  return new Promise((resolve, reject) => {
    const events = new EventSource(`/listen/${answer.job}`);
    const end = (settle, value) => {
      events.close();
      settle(value);
    };
    events.addEventListener('message', ({ data }) => {
      const { status, message, progress, info } = JSON.parse(data);
      if (status === 'update') {
        view.progress(progress);
        view.line(`${String(progress).padStart(3)} %  ${message}`);
      } else if (status === 'info') {
        end(resolve, `${repository}/${info.filename}`);
      } else {
        end(reject, new Error(message));
      }
    });
    // It would begin anew, but events come once.
    events.addEventListener('error', () => end(reject, new Error('The connection was lost')));
  });
}
