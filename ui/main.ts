import { createApp } from 'vue';
import { createClient } from '../src/client/client.ts';
import App from './App.vue';
import { Store, storeKey } from './state/store.ts';
import './styles/tokens.css';
import './styles/base.css';
import './styles/parts.css';

const store = new Store(createClient({ url: location.origin }));
createApp(App).provide(storeKey, store).mount('#app');
store.start();
